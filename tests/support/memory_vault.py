"""Opens secrets that a test wrote down."""

from collections.abc import Mapping

from slipway_chassis.errors import SecretMissingError
from slipway_contracts.size import SecretRef


class MemoryVault:
    """Holds values by name and version."""

    def __init__(self, values: Mapping[tuple[str, int], str] | None = None) -> None:
        self.values = dict(values or {})

    async def open(self, group: str, refs: Mapping[str, SecretRef]) -> dict[str, str]:
        missing = [ref.secret for ref in refs.values() if (ref.secret, ref.version) not in self.values]
        if missing:
            raise SecretMissingError(f"group {group} has no secret {', '.join(missing)}")
        return {name: self.values[(ref.secret, ref.version)] for name, ref in refs.items()}
