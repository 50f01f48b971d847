"""Which deployment has a name: now, or at a moment of the past.

Asked is what this process has followed, and where that has nothing, the log: it may be a moment ahead. Where
the log does not answer, or has a record of a newer release, the projection does: a read needs neither.
"""

from datetime import datetime
from typing import Final

from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.installation_events import NameClaimed
from slipway_contracts.lifecycle import DeploymentState
from slipway_store.queries import Reads

from slipway_api.installation.registers import Claim, NameRegister
from slipway_api.refusing.problems import RecordUnreadableError
from slipway_api.submitting.lanes import is_purged, load_desired

_REMEMBERED: Final = 10_000


class NameHolders:
    """Finds the deployments that have names.

    Args:
        log: has the claims of names, and the records of their deployments.
        register: the claims that this process has followed.
        reads: the projection.
    """

    def __init__(self, *, log: EventLog, register: NameRegister, reads: Reads) -> None:
        self._log = log
        self._register = register
        self._reads = reads
        self._ids: set[tuple[str, str]] = set()

    async def id_of(self, group: str, name: str) -> str:
        """Return the id of the deployment that has this name now; else the name, which may be an id.

        A name is never the id of another deployment: whoever claims it is refused where it is one.

        Raises:
            DatabaseUnavailableError: neither the log nor the projection can be asked whose it is.
        """
        followed = self._register.find(group, name)
        if followed is not None and await self._has(followed, group, name):
            return followed.deployment
        if (group, name) in self._ids:
            return name
        newest = await self._newest(group, name)
        if newest is None or newest == followed:
            return name
        if newest.deployment == name:
            self._remember(group, name)
            return name
        return newest.deployment if await self._has(newest, group, name) else name

    async def id_then(self, group: str, name: str, moment: int | datetime) -> str | None:
        """Return who had claimed this name last at a sequence or a time; it may have given it up since.

        Raises:
            LogUnavailableError: the log does not answer.
        """
        self._require_log()
        found = None
        async for stored in self._log.read(subjects.name_claim(group, name), after=0):
            claim = stored.readable
            if isinstance(claim, NameClaimed) and _is_by(stored, moment):
                found = claim.deployment
        return found

    async def _newest(self, group: str, name: str) -> Claim | None:
        try:
            self._require_log()
            stored = await self._log.last(subjects.name_claim(group, name))
        except LogUnavailableError:
            return None
        claim = None if stored is None else stored.readable
        if stored is None or not isinstance(claim, NameClaimed):
            return None
        return Claim(deployment=claim.deployment, sequence=stored.sequence)

    async def _has(self, claim: Claim, group: str, name: str) -> bool:
        """Say whether who claimed a name has it; the command that came with the claim may be undecided."""
        try:
            self._require_log()
            desired = await load_desired(self._log, group, claim.deployment)
        except (LogUnavailableError, RecordUnreadableError):
            row = await self._reads.deployment(group, claim.deployment)
            return row is None or (row.name == name and row.state is not DeploymentState.PURGED)
        if desired is None or desired.position < claim.sequence:
            return True
        return desired.name == name and not is_purged(desired)

    def _require_log(self) -> None:
        """Spare who asks the wait for a log that is known to be away."""
        if not self._log.is_connected:
            raise LogUnavailableError("there is no connection to NATS")

    def _remember(self, group: str, deployment: str) -> None:
        """Ask no more about an id; of those that were forgotten it is asked again."""
        if len(self._ids) >= _REMEMBERED:
            self._ids.clear()
        self._ids.add((group, deployment))


def _is_by(stored: Stored, moment: int | datetime) -> bool:
    return stored.sequence <= moment if isinstance(moment, int) else stored.envelope.time <= moment
