"""Secrets: sealed by the api to the services that may open them, stored as versions, opened where needed.

A version is a JSON object of one box per recipient service (libsodium's sealed box: X25519,
XSalsa20-Poly1305). Who holds only the public keys can seal and never open. Values appear in no log line,
`repr` or exception of this module; which secrets a group has is known by the log, not here.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import SecretStr
from slipway_contracts.size import SecretRef
from slipway_contracts.topology import SECRETS

from slipway_chassis.bucket import Bucket, is_removed
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ConflictError, SecretMissingError, SecretValueError, VaultLockedError
from slipway_chassis.jetstream_api import call
from slipway_chassis.reading import Reader
from slipway_chassis.settings import SettingsError

LARGEST_VALUE: Final = 64 << 10
"""Bytes of a value in UTF-8."""

KEYS_VARIABLE: Final = "SLIPWAY_SECRET_KEYS"
KEY_FILE_VARIABLE: Final = "SLIPWAY_SECRET_KEY_FILE"
_WITHIN: Final = 5.0
_OTHERS: Final = 0o007


@dataclass(frozen=True)
class KeyPair:
    """A recipient's keys, in base64."""

    public: str
    private: SecretStr


def make_key_pair() -> KeyPair:
    """Return a new pair of X25519 keys."""
    private = PrivateKey.generate()
    return KeyPair(
        public=b64encode(bytes(private.public_key)).decode(),
        private=SecretStr(b64encode(bytes(private)).decode()),
    )


def public_key_of(private: str) -> str:
    """Return the public key of a base64 private one.

    Raises:
        ValueError: this is none; the message does not show it.
    """
    try:
        key = PrivateKey(b64decode(private.strip(), validate=True))
    except (ValueError, TypeError, CryptoError):
        raise ValueError("this is no base64 X25519 private key") from None
    return b64encode(bytes(key.public_key)).decode()


class Recipients:
    """The services that may open secrets, and their public keys.

    Args:
        keys: base64 public key by service name.

    Raises:
        SettingsError: there is none, or one is no key.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        if not keys:
            raise SettingsError(f"{KEYS_VARIABLE}: the file names no service that may open secrets")
        self._keys = dict(keys)
        self._boxes = {service: SealedBox(_public_key(service, key)) for service, key in keys.items()}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the JSON file `{service: base64 public key}`.

        Raises:
            SettingsError: it is missing, unreadable, or something else.
        """
        try:
            keys = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{KEYS_VARIABLE}: cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(f"{KEYS_VARIABLE}: {path} is not JSON: {error}") from error
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise SettingsError(f"{KEYS_VARIABLE}: {path} must be a JSON object of service names and keys")
        return cls(keys)

    def only(self, service: str) -> Self | None:
        """Return this recipient alone; None: it is not among these."""
        return type(self)({service: self._keys[service]}) if service in self._keys else None

    def seal(self, value: str) -> bytes:
        """Return what to store: one box per recipient; sealing the same value again gives other bytes.

        Raises:
            SecretValueError: it is larger than 64 KiB, or has a character that no environment variable can
                have.
        """
        plain = _usable(value)
        boxes = {service: b64encode(box.encrypt(plain)).decode() for service, box in self._boxes.items()}
        return json.dumps(boxes).encode()


class Secrets:
    """The stored versions of all groups' secrets, sealed.

    Args:
        connection: the process' connection.
        bucket: name of the bucket.
    """

    def __init__(self, *, connection: Connection, bucket: str = SECRETS.name) -> None:
        self._connection = connection
        self._bucket = Bucket(connection=connection, name=bucket)
        self._reader = Reader(connection=connection, stream=self._bucket.stream, timeout=_WITHIN)

    async def put(self, group: str, ref: SecretRef, sealed: bytes) -> None:
        """Store a version that was never there; repeating it with the same bytes changes nothing.

        Raises:
            ConflictError: this version exists, or existed and was removed; take the next one.
            LogUnavailableError: not confirmed in time; it may be stored or not.
        """
        try:
            await self._bucket.put(_key(group, ref), sealed, expect=0)
        except ConflictError:
            if await self.get(group, ref) == sealed:
                return
            raise ConflictError(
                f"secret {ref.secret} of group {group} has had a version {ref.version}; take the next one"
            ) from None

    async def get(self, group: str, ref: SecretRef) -> bytes | None:
        """Return a version as it was sealed; None when it is not there.

        Raises:
            LogUnavailableError: no answer in time.
        """
        stored = await self._reader.last(self._bucket.subject(_key(group, ref)))
        return None if stored is None or is_removed(stored) else stored.data

    async def remove(self, group: str, name: str) -> None:
        """Remove all versions of a secret; repeating it changes nothing.

        Their numbers are not free again: a release that names one never gets another value.

        Raises:
            LogUnavailableError: not confirmed in time; repeat it.
        """
        request = {"subjects_filter": self._bucket.subject(f"{group}.{name}.*")}
        answer = await call(self._connection, f"STREAM.INFO.{self._bucket.stream}", request, within=_WITHIN)
        for subject in answer["state"].get("subjects") or ():
            await self._bucket.purge(self._bucket.key(subject))


class Vault:
    """Opens what was sealed to one service.

    Args:
        service: the recipient's name.
        key_file: file with its private key in base64, which other users may not read; read at each opening,
            so that a mended one needs no restart. None: this service was given none.
        secrets: the stored versions.
    """

    def __init__(self, *, service: str, key_file: Path | None, secrets: Secrets) -> None:
        self._service = service
        self._key_file = key_file
        self._secrets = secrets

    async def open(self, group: str, refs: Mapping[str, SecretRef]) -> dict[str, str]:
        """Return the value of each reference, under the same name; no reference needs no key.

        Never log or store what comes back.

        Raises:
            SecretMissingError: versions that are not stored; names all of them.
            VaultLockedError: there is no usable key file, or a box is not sealed to its key.
            LogUnavailableError: no answer in time.
        """
        if not refs:
            return {}
        box = await asyncio.to_thread(self._box)
        sealed = {name: await self._secrets.get(group, ref) for name, ref in refs.items()}
        missing = sorted({_title(refs[name]) for name, boxes in sealed.items() if boxes is None})
        if missing:
            raise SecretMissingError(
                f"group {group} has no secret {', '.join(missing)}: never set, or removed; set it, and "
                "release with the version that it has then"
            )
        return {name: self._opened(box, refs[name], boxes or b"") for name, boxes in sealed.items()}

    def _box(self) -> SealedBox[PrivateKey]:
        path = self._key_file
        if path is None:
            raise VaultLockedError(
                f"{self._service} cannot open secrets: {KEY_FILE_VARIABLE} is not set; let it name the file "
                "of its private key"
            )
        try:
            if path.stat().st_mode & _OTHERS:
                raise VaultLockedError(
                    f"{KEY_FILE_VARIABLE}: other users may read or change {path}; chmod it to 0600"
                )
            return SealedBox(PrivateKey(b64decode(path.read_bytes().strip(), validate=True)))
        except OSError as error:
            raise VaultLockedError(f"{KEY_FILE_VARIABLE}: cannot read {path}: {error.strerror}") from error
        except (ValueError, TypeError, CryptoError):
            # Not chained: what the file holds is nobody's business.
            raise VaultLockedError(f"{KEY_FILE_VARIABLE}: {path} holds no base64 private key") from None

    def _opened(self, box: SealedBox[PrivateKey], ref: SecretRef, boxes: bytes) -> str:
        try:
            own = json.loads(boxes)[self._service]
            return box.decrypt(b64decode(own, validate=True)).decode()
        except (ValueError, TypeError, LookupError, CryptoError):
            raise VaultLockedError(
                f"secret {_title(ref)} is not sealed to the key that {self._service} has now; set it again"
            ) from None


def _public_key(service: str, key: str) -> PublicKey:
    try:
        return PublicKey(b64decode(key, validate=True))
    except (ValueError, TypeError, CryptoError) as error:
        raise SettingsError(f"{KEYS_VARIABLE}: the key of {service} is no base64 X25519 key") from error


def _usable(value: str) -> bytes:
    try:
        plain = value.encode()
    except UnicodeEncodeError:
        raise SecretValueError("the value is not text that UTF-8 can write") from None
    if len(plain) > LARGEST_VALUE:
        raise SecretValueError(f"the value has {len(plain)} bytes; a secret has at most {LARGEST_VALUE}")
    if b"\0" in plain:
        raise SecretValueError("the value has a NUL character, which no environment variable can have")
    return plain


def _key(group: str, ref: SecretRef) -> str:
    return f"{group}.{ref.secret}.{ref.version}"


def _title(ref: SecretRef) -> str:
    return f"{ref.secret} version {ref.version}"
