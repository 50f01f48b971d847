"""What a replica is told in confidence: at its start, and for as long as it is wished for."""

from typing import Any

from contract.engines.apps import ask
from contract.engines.sightings import observing
from contract.engines.target import Target, begins, workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.size import SecretRef
from slipway_contracts.workload import Workload

CANARY = {"CANARY": "canary-1"}


def confidential(target: Target, **overrides: Any) -> Workload:
    environment = {"PLAIN": "1", "CANARY": SecretRef(secret="canary", version=1)}  # noqa: S106 - a name
    return workload_of(target, environment=environment, **overrides)


class SecretsContract:
    async def test_a_replica_is_told_its_secrets_beside_its_other_variables(self, target: Target) -> None:
        workload = confidential(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload, CANARY)
            (ready,) = (await seen.ready(workload)).values()

            environment = (await ask(ready.address))["environment"]

            assert (environment["PLAIN"], environment["CANARY"]) == ("1", "canary-1")
            assert "canary" not in repr(seen.all)

    async def test_a_repeated_wish_with_the_same_secrets_or_with_none_changes_nothing(
        self, target: Target
    ) -> None:
        workload = confidential(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload, CANARY)
            (ready,) = (await seen.ready(workload)).values()

            await engine.apply(workload, CANARY)
            await target.engine().apply(workload)

            assert (await ask(ready.address))["pid"] == ready.pid
            assert await begins(engine, workload, ["0-1"]) == 1

    async def test_a_changed_secret_replaces_the_replica(self, target: Target) -> None:
        workload = confidential(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload, CANARY)
            (before,) = (await seen.ready(workload)).values()

            await engine.apply(workload, {"CANARY": "canary-2"})

            await eventually(lambda: seen.of(workload, "0-1")[-1].pid not in (None, before.pid))
            (after,) = (await seen.ready(workload)).values()
            assert (await ask(after.address))["environment"]["CANARY"] == "canary-2"

    async def test_a_replica_whose_secrets_nobody_told_waits_for_them_and_says_so(
        self, target: Target
    ) -> None:
        workload = confidential(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="secrets (CANARY)")

            await engine.apply(workload, CANARY)

            (ready,) = (await seen.ready(workload)).values()
            assert (await ask(ready.address))["environment"]["CANARY"] == "canary-1"

    async def test_a_target_that_lost_its_secrets_is_told_again_by_the_next_wish(
        self, target: Target
    ) -> None:
        workload = confidential(target, slots=(1, 1))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload, CANARY)
            await seen.ready(workload)
            await target.down()
            target.lose_secrets()
            await target.up()
            await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="secrets (CANARY)")

            await engine.apply(workload, CANARY)

            for each in (await seen.ready(workload)).values():
                assert (await ask(each.address))["environment"]["CANARY"] == "canary-1"

    async def test_a_target_that_was_down_still_holds_what_it_was_told(self, target: Target) -> None:
        workload = confidential(target)
        engine = target.engine()
        await engine.apply(workload, CANARY)

        await target.down()
        await target.up()

        async with observing(engine) as seen:
            (ready,) = (await seen.ready(workload)).values()
            assert (await ask(ready.address))["environment"]["CANARY"] == "canary-1"
