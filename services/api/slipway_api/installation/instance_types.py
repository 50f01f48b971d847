"""Instance types: named sizes, resolved when a command names one; releases keep what came of it."""

from slipway_contracts.installation_events import InstanceTypeConfigured

from slipway_api.answers.installation_views import InstanceType
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.refusing import refusals


class InstanceTypes:
    """Configures and shows instance types.

    Args:
        configuring: puts them into the log.
        directory: knows them.
    """

    def __init__(self, *, configuring: Configuring, directory: Directory) -> None:
        self._configuring = configuring
        self._directory = directory

    async def put(self, wanted: InstanceTypeConfigured) -> InstanceType:
        """Let an instance type be as wanted; releases that exist stay as they are."""
        await self._configuring.publish(wanted)
        return _shown(wanted)

    async def remove(self, name: str, *, by: str) -> None:
        """Let no new release use this instance type; those that exist go on.

        Raises:
            InstanceTypeNotFoundError: there is none, or it was removed before.
        """
        known = self._find(name)
        await self._configuring.publish(known.model_copy(update={"removed": True, "by": by}))

    def show(self, name: str) -> InstanceType:
        """Return an instance type.

        Raises:
            InstanceTypeNotFoundError: there is none, or it was removed.
        """
        return _shown(self._find(name))

    def all(self) -> list[InstanceType]:
        """Return all instance types by name."""
        return [_shown(each) for each in self._directory.instance_types()]

    def _find(self, name: str) -> InstanceTypeConfigured:
        known = self._directory.instance_type(name)
        if known is None:
            raise refusals.instance_type_not_found(name, self._directory.instance_types())
        return known


def _shown(configured: InstanceTypeConfigured) -> InstanceType:
    return InstanceType(
        name=configured.name,
        description=configured.description,
        size=configured.size,
        node_selector=configured.node_selector,
    )
