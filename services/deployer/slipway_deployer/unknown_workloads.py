"""Says, once, that a target runs what no desired record ever named."""

from collections.abc import Sequence

from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.events import WorkloadUnknown
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact

from slipway_deployer.source import SOURCE

_log = get_logger()


async def report_unknown(log: EventLog, key: tuple[str, str], strays: Sequence[ReplicaFact]) -> None:
    """Publish `workload.unknown` for each of these workloads that it was not published for before.

    Raises:
        TransientError: the log did not answer.
    """
    for workload, target in sorted({(fact.workload, fact.target) for fact in strays}):
        event = WorkloadUnknown(group=key[0], deployment=key[1], workload=workload, target=target)
        if not await _is_told(log, event):
            _log.warning("workload.unknown", group=key[0], deployment=key[1], workload=workload)
            await log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=_envelope(event)))


async def _is_told(log: EventLog, event: WorkloadUnknown) -> bool:
    return event in [stored.readable async for stored in log.read(subjects.of(event), after=0)]


def _envelope(event: WorkloadUnknown) -> Envelope:
    return Envelope(
        id=derived_id("unknown", event.group, event.deployment, event.workload, event.target),
        type=event.type,
        source=SOURCE,
        subject=f"{event.group}/{event.deployment}",
        time=now(),
    )
