"""SQL for the roles of the services, free of clear passwords so that no server log can show one."""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Final

from slipway_standalone.credentials import POSTGRES_API, POSTGRES_OWNER, POSTGRES_PROJECTOR

_ITERATIONS: Final = 4096


def statements(passwords: Mapping[str, str]) -> tuple[str, ...]:
    """Make every role exist with its password; may be repeated."""
    return tuple(
        statement for role, password in passwords.items() for statement in _role(role, verifier(password))
    )


def first_statements(database: str) -> tuple[str, ...]:
    """Create the database, to be run once in template1, from which it copies the default rights.

    The projector owns what it creates; the api may read all of it.
    """
    granted = f"ALTER DEFAULT PRIVILEGES FOR ROLE {POSTGRES_PROJECTOR} GRANT"
    return (
        f"{granted} SELECT ON TABLES TO {POSTGRES_API}",
        f"{granted} USAGE ON SCHEMAS TO {POSTGRES_API}",
        f"CREATE DATABASE {database} OWNER {POSTGRES_PROJECTOR}",
        f"REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {POSTGRES_API}, {POSTGRES_OWNER}",
    )


def rights(database: str) -> tuple[str, ...]:
    """Let the api have a schema of its own beside what it may read; may be repeated."""
    return (f"GRANT CREATE ON DATABASE {database} TO {POSTGRES_API}",)


def verifier(password: str, *, salt: bytes | None = None) -> str:
    """What Postgres stores for a SCRAM-SHA-256 password (RFC 5803)."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    keys = ":".join(base64.b64encode(key).decode() for key in (stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{base64.b64encode(salt).decode()}${keys}"


def _role(role: str, verifier_text: str) -> tuple[str, str]:
    exists = f"EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
    return (
        f"DO $$ BEGIN IF NOT {exists} THEN CREATE ROLE {role}; END IF; END $$",
        f"ALTER ROLE {role} LOGIN PASSWORD '{verifier_text}'",
    )
