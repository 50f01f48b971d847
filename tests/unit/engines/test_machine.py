"""What this machine says that it has."""

from slipway_engines.supervisor.machine import capacity_of


def test_replicas_may_ask_for_a_multiple_of_what_there_is() -> None:
    capacity = capacity_of(replicas=3, cpu_overcommit=16.0, memory_overcommit=4.0)

    assert capacity.allocatable_cpu == 16 * capacity.cpu
    assert capacity.allocatable_memory_bytes == 4 * capacity.memory_bytes
    assert capacity.replicas == 3
