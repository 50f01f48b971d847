"""Secrets of one installation, made once: a NATS and a Postgres password per process, and the admin key."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from slipway_standalone import private_files

NATS_PROVISIONER: Final = "provisioner"
POSTGRES_OWNER: Final = "slipway"
POSTGRES_PROJECTOR: Final = "slipway_projector"
POSTGRES_API: Final = "slipway_api"
_RIGHTS_REVISION: Final = 2
POSTGRES_ROLES: Final = (POSTGRES_OWNER, POSTGRES_PROJECTOR, POSTGRES_API)


@dataclass(frozen=True, kw_only=True, repr=False)
class Credentials:
    """Passwords by user name."""

    nats: Mapping[str, str]
    postgres: Mapping[str, str]

    @property
    def postgres_fingerprint(self) -> str:
        """Changes whenever a Postgres role, its rights or its password does."""
        roles = [_RIGHTS_REVISION, *sorted(self.postgres.items())]
        return hashlib.sha256(json.dumps(roles).encode()).hexdigest()


def load_or_create(path: Path, *, services: Iterable[str]) -> Credentials:
    """Read the file and add what is missing in it, for example the user of a new service."""
    known = json.loads(path.read_text()) if path.exists() else {"nats": {}, "postgres": {}}
    credentials = Credentials(
        nats=_completed(known["nats"], (*services, NATS_PROVISIONER)),
        postgres=_completed(known["postgres"], POSTGRES_ROLES),
    )
    if asdict(credentials) != known:
        private_files.write_json(path, asdict(credentials))
    return credentials


def admin_key_digest(path: Path) -> str:
    """The sha-256 of the admin key, in hexadecimal; the key is made when there is none."""
    if not path.exists():
        private_files.write(path, f"slw_{secrets.token_urlsafe(32)}\n")
    return hashlib.sha256(path.read_text().strip().encode()).hexdigest()


def _completed(known: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return dict(known) | {name: secrets.token_hex(32) for name in names if name not in known}
