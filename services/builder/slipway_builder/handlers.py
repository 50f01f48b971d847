"""Which method takes which command."""

from slipway_chassis.broker import Delivered, LogBroker, subscribe
from slipway_contracts.commands import Build, CancelBuild, RemoveVersions
from slipway_contracts.topology import BUILDER, BUILDER_CANCEL, BUILDER_REMOVE

from slipway_builder.builds import Builds
from slipway_builder.cancels import Cancels
from slipway_builder.removing.removals import Removals


def handle(
    broker: LogBroker, *, builds: Builds, cancels: Cancels, removals: Removals, concurrency: int
) -> None:
    """Bind to the builder's consumers.

    At most `concurrency` builds run here; the others stay with the server, for whichever builder is free.
    Cancels and removals come on consumers of their own, so that no build keeps them waiting.
    """
    build_commands = subscribe(broker, BUILDER, concurrency=concurrency)
    cancel_commands = subscribe(broker, BUILDER_CANCEL)
    remove_commands = subscribe(broker, BUILDER_REMOVE)

    @build_commands.on(Build)
    async def build(command: Build, asked: Delivered) -> None:
        await builds.run(command, asked)

    @cancel_commands.on(CancelBuild)
    async def cancel(command: CancelBuild, asked: Delivered) -> None:
        await cancels.cancel(command, asked)

    @remove_commands.on(RemoveVersions)
    async def remove(command: RemoveVersions, asked: Delivered) -> None:
        await removals.remove(command, asked)
