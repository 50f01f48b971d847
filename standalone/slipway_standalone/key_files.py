"""Keys of one installation, made once: to seal and open secrets, and to sign and check keys of endpoints.

The libraries that make keys are imported only where one is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_standalone import private_files
from slipway_standalone.errors import StateFolderError

OPENERS: Final = ("deployer", "notifier")
"""The services that may open secrets: of groups the first, of webhooks the last."""
_FORMER_OPENERS: Final = ("builder",)


@dataclass(frozen=True)
class KeyFiles:
    """Where the keys lie."""

    folder: Path

    @property
    def recipients(self) -> Path:
        """The public keys to which the api seals secrets, by service."""
        return self.folder / "secret-keys.json"

    def opener(self, service: str) -> Path:
        """The private key with which a service opens secrets."""
        return self.folder / f"{service}.secret-key"

    @property
    def endpoints(self) -> Path:
        """The private key with which the api signs keys of endpoints."""
        return self.folder / "endpoint-key.pem"

    @property
    def endpoints_public(self) -> Path:
        """The JWKS with which the gateway checks them."""
        return self.folder / "endpoint-jwks.json"

    def complete(self) -> None:
        """Make what is missing; what is there stays, but for keys that no service needs any more.

        Repeating it after a crash ends the same.
        A public file is written last and removed before a private key is made, so it never belongs to an
        older one.

        Raises:
            StateFolderError: A private key is damaged.
            OSError: The folder cannot be written.
        """
        for former in _FORMER_OPENERS:
            self._remove(self.opener(former))
        openers = [self.opener(service) for service in OPENERS]
        self._complete(private=openers, public=self.recipients, make=_make_openers)
        self._complete(private=[self.endpoints], public=self.endpoints_public, make=_make_endpoint_key)

    def _remove(self, opener: Path) -> None:
        if opener.exists():
            self.recipients.unlink(missing_ok=True)
            opener.unlink()

    def _complete(self, *, private: list[Path], public: Path, make: Callable[[list[Path]], object]) -> None:
        if public.exists() and all(path.exists() for path in private):
            return
        public.unlink(missing_ok=True)
        try:
            private_files.write_json(public, make(private))
        except ValueError as error:
            raise StateFolderError(
                f"{' or '.join(map(str, private))} is damaged: {error}.",
                remedy="Restore it from a backup; or remove it, and make its secrets or endpoint keys anew.",
            ) from None


def _make_openers(files: list[Path]) -> dict[str, str]:
    from slipway_chassis.secrets import make_key_pair, public_key_of  # noqa: PLC0415 - rarely needed

    for path in files:
        if not path.exists():
            private_files.write(path, make_key_pair().private.get_secret_value() + "\n")
    return {path.stem: public_key_of(path.read_text()) for path in files}


def _make_endpoint_key(files: list[Path]) -> dict[str, object]:
    from slipway_standalone import endpoint_keys  # noqa: PLC0415 - rarely needed

    (path,) = files
    if not path.exists():
        private_files.write(path, endpoint_keys.private_key())
    return endpoint_keys.jwks(path.read_text())
