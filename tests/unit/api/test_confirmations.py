import asyncio
from collections.abc import Mapping
from typing import cast

from eventually import eventually
from slipway_api.submitting.confirmations import Confirmations
from slipway_api.submitting.reservations import Reservations
from slipway_store.connections import DatabaseUnavailableError


class Told:
    """Takes what is confirmed, one statement at a time, when a test lets it."""

    def __init__(self) -> None:
        self.statements: list[Mapping[str, int]] = []
        self.go = asyncio.Event()
        self.broken = False

    async def confirm(self, sequences: Mapping[str, int]) -> None:
        self.statements.append(sequences)
        await self.go.wait()
        if self.broken:
            raise DatabaseUnavailableError("gone")


def made() -> tuple[Told, Confirmations]:
    told = Told()
    return told, Confirmations(reservations=cast("Reservations", told))


async def test_what_waits_while_one_statement_runs_goes_with_the_next() -> None:
    told, confirmations = made()

    confirmations.add("a", 1)
    await eventually(lambda: told.statements == [{"a": 1}])
    confirmations.add("b", 2)
    confirmations.add("c", 3)
    told.go.set()

    await eventually(lambda: told.statements == [{"a": 1}, {"b": 2, "c": 3}])


async def test_after_a_failure_later_ones_are_told() -> None:
    told, confirmations = made()
    told.broken = True
    told.go.set()

    confirmations.add("a", 1)
    await eventually(lambda: told.statements == [{"a": 1}])
    told.broken = False
    confirmations.add("b", 2)

    await eventually(lambda: told.statements[1:] == [{"b": 2}])
