"""Entry point of the gateway process: composition only."""

from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.process import Service, run_service
from slipway_contracts.topology import GATEWAYS

from slipway_gateway.admin import EnvoyAdmin
from slipway_gateway.announcement import Announcer
from slipway_gateway.configuration import Configuration
from slipway_gateway.files import GatewayFolder
from slipway_gateway.guards import key_check
from slipway_gateway.key_set import read_key_set
from slipway_gateway.measures import Measures
from slipway_gateway.service import Gateway
from slipway_gateway.settings import GatewaySettings
from slipway_gateway.snapshot import Snapshot
from slipway_gateway.switch_traces import SwitchTraces
from slipway_gateway.writer import ConfigurationWriter


async def serve(service: Service[GatewaySettings]) -> None:
    """Keep Envoy at what the log says until the process is told to stop.

    Raises:
        KeySetUnreadableError: there is a setting for public keys, and no such file, or no usable key in it.
        SnapshotUnreadableError: the gateway's snapshot is damaged.
    """
    settings = service.settings
    folder = GatewayFolder(settings.envoy_dir)
    folder.create()
    key_set = read_key_set(settings.endpoint_jwks) if settings.endpoint_jwks else None
    folder.write(folder.keys, key_check(key_set))
    # A connection each: counts of many clusters take long, and what changes routes must not wait for them.
    admin, counting, looking = (EnvoyAdmin(address=settings.envoy_admin) for _ in range(3))
    writer = ConfigurationWriter(folder=folder, admin=admin)
    writer.load()
    snapshot = Snapshot(folder)
    gateway = Gateway(
        log=service.log,
        configuration=Configuration(snapshot.load(), checks_keys=key_set is not None),
        writer=writer,
        snapshot=snapshot,
        announcer=Announcer(
            gateway=settings.gateway_id,
            heartbeats=Heartbeats(connection=service.connection, bucket=GATEWAYS.name),
            admin=counting,
        ),
        traces=SwitchTraces(telemetry=service.telemetry, admin=looking),
        measures=Measures(registry=service.metrics.registry),
    )
    service.probes.add("envoy", gateway.problem)
    try:
        await gateway.run(service.stopping)
    finally:
        for each in (admin, counting, looking):
            each.close()


def main() -> None:
    """Run the gateway."""
    run_service("gateway", GatewaySettings, serve)


if __name__ == "__main__":
    main()
