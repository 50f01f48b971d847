"""Which requests are still worked on by what gets no new ones. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from slipway_gateway.model import Section


@dataclass(frozen=True)
class Drains:
    """Requests in flight per workload in no route, and per `workload/replica` that was scaled away."""

    active: Mapping[str, int] = field(default_factory=dict)
    leaving: Mapping[str, int] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether anything is still worked on."""
        return any(self.active.values()) or any(self.leaving.values())

    def within(self, other: "Drains") -> "Drains":
        """Return the part whose entries the other has as well."""
        return Drains(
            active={key: count for key, count in self.active.items() if key in other.active},
            leaving={key: count for key, count in self.leaving.items() if key in other.leaving},
        )


def drains(sections: Iterable[Section], in_flight: Mapping[str, int]) -> Drains:
    """Count by workload and replica.

    Args:
        sections: confirmed by Envoy before the sample was taken.
        in_flight: sampled requests by name of cluster; a cluster without requests may be missing.
    """
    by_workload: dict[str, dict[str, int]] = {}
    for name, count in in_flight.items():
        by_workload.setdefault(name.partition("-")[0], {})[name] = count
    active: dict[str, int] = {}
    leaving: dict[str, int] = {}
    for section in sections:
        for workload in section.draining:
            active[workload] = sum(by_workload.get(workload, {}).values())
        # Envoy counts by cluster: requests that a staying replica got before the switch count as well.
        for workload, replica, current in section.leaving:
            counts = by_workload.get(workload, {})
            leaving[f"{workload}/{replica}"] = sum(n for name, n in counts.items() if name != current)
    return Drains(active=active, leaving=leaving)
