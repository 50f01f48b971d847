"""Keys and passwords with which endpoints are called: made and signed here, kept nowhere."""

import base64
import hashlib
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from slipway_api.refusing import lifecycle_refusals

ISSUER: Final = "slipway"
_ALGORITHM: Final = "EdDSA"
_PASSWORD_BYTES: Final = 32


class EndpointKeys:
    """Signs the keys of endpoints.

    Args:
        path: PEM file of the Ed25519 key, read when it is first used; None: nothing can be signed.
    """

    def __init__(self, *, path: Path | None) -> None:
        self._path = path
        self._key: Ed25519PrivateKey | None = None

    def sign(self, *, audience: str, identifier: str, at: datetime, expires_at: datetime | None) -> str:
        """Return the signed token of a key.

        Raises:
            EndpointKeysUnavailableError: the installation has no usable key to sign with.
        """
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "jti": identifier,
            "iat": int(at.timestamp()),
        }
        if expires_at is not None:
            claims["exp"] = int(expires_at.timestamp())
        return jwt.encode(claims, self._signing_key(), algorithm=_ALGORITHM)

    def require(self) -> None:
        """Refuse early what could not be signed.

        Raises:
            EndpointKeysUnavailableError: the installation has no usable key to sign with.
        """
        self._signing_key()

    def _signing_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            self._key = _read(self._path)
        return self._key


def _read(path: Path | None) -> Ed25519PrivateKey:
    if path is None:
        raise lifecycle_refusals.endpoint_keys_unavailable("the api was given none")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise lifecycle_refusals.endpoint_keys_unavailable(f"{path} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise lifecycle_refusals.endpoint_keys_unavailable(f"{path} holds no Ed25519 key")
    return key


def new_password() -> str:
    """Return a fresh password with 256 random bits."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def htpasswd_digest(password: str) -> str:
    """Return what the log keeps of a generated password: base64 of its SHA-1, as Envoy's htpasswd has it.

    SHA-1 does for 256 random bits, of which nobody can try all; it would not for a password of a person.
    """
    return base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
