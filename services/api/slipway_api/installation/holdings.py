"""Which artifacts a group has: those that it sent, adopted, or built something of.

The bytes of all groups lie in one store; that it has some says nothing of who may use them (ADR 14).
"""

from slipway_contracts import subjects
from slipway_store.queries import Reads

from slipway_api.installation.directory import Directory


class Holdings:
    """Says what a group has.

    Args:
        directory: knows what was sent and adopted.
        reads: the projection, which knows what was built: also of what came before that was told.
    """

    def __init__(self, *, directory: Directory, reads: Reads) -> None:
        self._directory = directory
        self._reads = reads

    async def has(self, group: str, digest: str) -> bool:
        """Say whether the artifact is one of the group's, stored or not.

        Raises:
            DatabaseUnavailableError: the directory does not know it, and Postgres does not answer.
            LogUnavailableError: the log does not answer, or this process cannot follow it.
        """
        if self._directory.artifacts.has(group, digest):
            return True
        await self._directory.current(subjects.group_events(group, "artifact"))
        if self._directory.artifacts.has(group, digest):
            return True
        built = await self._reads.sources(group, marked=[digest], only_marked=True, after=None, limit=1)
        return bool(built)
