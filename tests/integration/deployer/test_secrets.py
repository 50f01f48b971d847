from collections.abc import Mapping

from deployer_stand import KEY, Gateway, desired, events, make_deployments, make_live, send
from deployment_world import make_deploy, make_version
from eventually import eventually
from memory_engine import MemoryEngine
from memory_vault import MemoryVault
from slipway_chassis.errors import VaultLockedError
from slipway_chassis.event_log import EventLog
from slipway_contracts.events import ReleaseFailed
from slipway_contracts.size import SecretRef

TOKEN = SecretRef(secret="token", version=1)  # noqa: S106


async def test_the_engine_is_told_the_secrets_and_the_log_is_not(log: EventLog) -> None:
    engine = MemoryEngine()
    deployments = make_deployments(log, engine, vault=MemoryVault({("token", 1): "canary"}))

    await send(log, make_deploy(environment={"TOKEN": TOKEN, "MODE": "fast"}))
    await deployments.advance(KEY)

    assert list(engine.secrets.values()) == [{"TOKEN": "canary"}]
    assert "canary" not in (await desired(log)).model_dump_json()


async def test_a_missing_secret_fails_the_release_and_leaves_what_serves(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    old = await make_live(log, deployments, gateway)

    await send(log, make_deploy(make_version(2), environment={"TOKEN": TOKEN}))
    settled = await deployments.advance(KEY)

    assert settled
    assert (await events(log))[-2:] == ["release.failed.v1", "operation.failed.v1"]
    assert set(engine.wishes) == {old}


async def test_a_secret_that_is_removed_later_keeps_no_other_wish_from_the_engine(log: EventLog) -> None:
    engine, gateway, vault = MemoryEngine(), Gateway(), MemoryVault({("token", 1): "canary"})
    deployments = make_deployments(log, engine, gateway, vault)
    await make_live(log, deployments, gateway, environment={"TOKEN": TOKEN})
    vault.values.clear()

    await send(log, make_deploy(make_version(2)))
    settled = await deployments.advance(KEY)

    assert settled
    assert len(engine.wishes) == 2
    assert (await desired(log)).live is not None


class LockedVault(MemoryVault):
    """Cannot be opened before somebody mends its key."""

    locked = True

    async def open(self, group: str, refs: Mapping[str, SecretRef]) -> dict[str, str]:
        if self.locked:
            raise VaultLockedError("the key file is not readable")
        return await super().open(group, refs)


async def test_a_vault_that_cannot_be_opened_is_asked_again_and_keeps_no_other_wish(log: EventLog) -> None:
    engine, gateway, vault = MemoryEngine(), Gateway(), LockedVault({("token", 1): "canary"})
    deployments = make_deployments(log, engine, gateway, vault)
    old = await make_live(log, deployments, gateway)

    await send(log, make_deploy(make_version(2), environment={"TOKEN": TOKEN}))
    settled = await deployments.advance(KEY)
    untold = {each for each, values in engine.secrets.items() if not values}
    vault.locked = False
    settled_later = await deployments.advance(KEY)

    assert (settled, settled_later) == (False, True)
    assert untold == set(engine.wishes)
    assert engine.secrets == {old: {}, (set(engine.wishes) - {old}).pop(): {"TOKEN": "canary"}}


async def test_a_vault_that_stays_locked_is_named_by_the_failure(log: EventLog) -> None:
    deployments = make_deployments(log, MemoryEngine(), vault=LockedVault())

    await send(log, make_deploy(environment={"TOKEN": TOKEN}, deadline_seconds=0.2))

    async def failed() -> bool:
        await deployments.advance(KEY)
        return "operation.failed.v1" in await events(log)

    await eventually(failed)
    failed_events = [each.message async for each in log.read("slipway.*.*.evt.release.failed", after=0)]
    assert [isinstance(each, ReleaseFailed) for each in failed_events] == [True]
    assert "key file is not readable" in str(failed_events)
