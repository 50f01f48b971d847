"""The deployer's rounds in memory: what is new is decided, what was seen is judged, the record is kept."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import BuildEnd
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.message import Message
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.message import DeployerMessage, Incoming
from slipway_deployer.desired.observed import Observed, Refusal, seems_hung
from slipway_deployer.fixed_ports import Claim, Port
from slipway_deployer.judging.judge import judge
from slipway_deployer.rounds import folded, newly_waiting, told_of_builds, with_attempts

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Rounds:
    """Does what the deployer does in each of its rounds, one write at a time."""

    at: datetime = BEGIN
    sequence: int = 0
    desired: Desired | None = None
    record_sequence: int = 0
    inbox: list[Incoming] = field(default_factory=list)
    traces: dict[str, str | None] = field(default_factory=dict)
    build_ends: dict[str, BuildEnd] = field(default_factory=dict)
    told: list[Message] = field(default_factory=list)
    facts: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    were_ready: set[tuple[str, str]] = field(default_factory=set)
    missing_secrets: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    ports: dict[Port, Claim] = field(default_factory=dict)
    reconciled: bool = True
    takes_wishes: bool = True
    """Whether the engine takes the wishes of each record at once."""
    gateways: dict[str, GatewayRecord] = field(default_factory=dict)

    @property
    def record(self) -> Desired:
        assert self.desired is not None
        return self.desired

    def send(self, message: DeployerMessage) -> str:
        """Append a command to the log, decide it, and settle; return its operation id."""
        identifier = self.append(message)
        self.settle()
        return identifier

    def append(self, message: DeployerMessage) -> str:
        """Append a command to the log, where it waits for the next round; return its operation id."""
        self.sequence += 1
        identifier = derived_id("message", self.sequence)
        if isinstance(message, BuildEnd):
            self.build_ends[message.build] = message
        trace = derived_id("trace", self.sequence).replace("-", "")
        envelope = Envelope(
            id=identifier,
            type=type(message).__name__,
            source="/test",
            subject="default/digits",
            time=self.at,
            traceparent=f"00-{trace}-{trace[:16]}-01",
        )
        self.traces[identifier] = envelope.traceparent
        self.inbox.append(Incoming(self.sequence, envelope, message))
        return identifier

    def settle(self) -> None:
        """Decide and judge until nothing changes."""
        for _ in range(50):
            before = self.desired
            self._keep(self._decided())
            if self.desired == before:
                return
        raise AssertionError("the judgement does not settle")

    def _decided(self) -> Decision | None:
        decision = folded(self.desired, self.inbox, at=self.at)
        if decision is None:
            return None
        self.inbox = [each for each in self.inbox if each.sequence > decision.desired.position]
        waiting = newly_waiting(decision, self.desired)
        ends = [(each, self.build_ends.get(each.build or "")) for each in waiting]
        decision = with_attempts(told_of_builds(decision, ends), self.desired, self.facts)
        judged = judge(decision, self._observed(written=decision.desired == self.desired))
        return with_attempts(judged, self.desired, self.facts)

    def _observed(self, *, written: bool) -> Observed:
        return Observed(
            deployment="default/digits",
            revision=self.record_sequence,
            reconciled=written and self.reconciled,
            replicas=self.facts,
            gateways=tuple(self.gateways.values()) if written else (),
            were_ready=frozenset(self._long_unready()),
            missing_secrets=self.missing_secrets if written and self.reconciled else {},
            refused=self.refused,
            ports=self.ports,
        )

    def _long_unready(self) -> set[tuple[str, str]]:
        return {key for key in self.were_ready if seems_hung(self.facts[key], self.at)}

    def _keep(self, decision: Decision | None) -> None:
        if decision is None:
            return
        self.told += [each.message for each in decision.emitted]
        # One operation is one trace, whenever and by whatever its messages are decided.
        for each in decision.emitted:
            if each.operation in self.traces:
                assert each.traceparent == self.traces[each.operation], each
        if decision.desired == self.desired:
            assert not decision.emitted
            return
        self.sequence += len(decision.emitted) + 1
        self.record_sequence = self.sequence
        self.desired = decision.desired
        self.reconciled = self.reconciled and self.takes_wishes
