"""What runs is changed, copied, taken back, deleted and brought back, and the history tells of all of it."""

from collections.abc import AsyncIterator

import pytest
from e2e.carrying_out import (
    GREETER,
    MISBEHAVING,
    answer,
    carried_out,
    done,
    greeting,
    ready_pids,
    refusal,
    release_of,
)
from e2e.running_platform import RunningPlatform, calling, ended
from eventually import eventually
from slipway.archive import pack
from slipway.client import Slipway
from slipway.comparison_documents import HistoryEntry
from slipway.documents import Configuration

NAME = "managed"
PATIENT = "patient"
OVERTAKEN = "overtaken"


@pytest.fixture(scope="module")
def url(platform: RunningPlatform) -> str:
    """An endpoint of a deployment with two replicas."""
    done(platform, "deploy", str(GREETER), "--name", NAME, "--env", "GREETING=one", "--replicas", "2")
    return f"{platform.gateway_url}/default/{NAME}/greet"


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


async def test_scaling_keeps_the_processes_that_stay(client: Slipway, url: str) -> None:
    await carried_out(client, client.scale(NAME, 2))
    two = await ready_pids(client, NAME)

    async with calling(url) as probe:
        await carried_out(client, client.scale(NAME, 3))
        three = await ready_pids(client, NAME)
        await carried_out(client, client.scale(NAME, 1))
        one = await eventually(lambda: only(client, 1))

    assert (len(two), len(three), len(one)) == (2, 3, 1)
    assert one < two < three
    assert probe.failures == []


async def only(client: Slipway, count: int) -> set[int]:
    """Return the processes that are ready; nothing unless there are so many."""
    pids = await ready_pids(client, NAME)
    return pids if len(pids) == count else set()


async def test_a_restart_replaces_every_process_and_changes_nothing_else(client: Slipway, url: str) -> None:
    serving = await release_of(client, client.redeploy(NAME, config=Configuration(replicas=2)))
    before = await ready_pids(client, NAME)

    async with calling(url) as probe:
        restarted = await release_of(client, client.restart(NAME))

    after = await eventually(lambda: replaced(client, before))
    difference = await client.difference(NAME, serving, restarted)
    assert len(after) == 2
    assert [each.field for each in difference.changes] == ["restart"]
    assert probe.failures == []


async def replaced(client: Slipway, before: set[int]) -> set[int]:
    """Return the processes that are ready; nothing while there are some from before."""
    pids = await ready_pids(client, NAME)
    return pids if pids.isdisjoint(before) else set()


async def test_an_update_patches_single_fields_and_keeps_all_others(client: Slipway, url: str) -> None:
    whole = Configuration(
        environment={"GREETING": "patched", "KEPT": "1", "GONE": "1"}, metadata={"team": "a"}
    )
    before = await release_of(client, client.redeploy(NAME, config=whole))

    changes = {"environment": {"GONE": None, "NEW": "2"}, "metadata": {"ticket": "7"}}
    after = await release_of(client, client.update(NAME, changes))

    difference = await client.difference(NAME, before, after)
    assert {each.field: (each.before, each.after) for each in difference.changes} == {
        "environment.GONE": ("1", None),
        "environment.NEW": (None, "2"),
        "metadata.ticket": (None, "7"),
    }
    assert await answer(url) == (200, "patched")


async def test_in_place_says_its_downtime_first_and_works(client: Slipway, url: str) -> None:
    in_place = client.redeploy(NAME, config=greeting("in place", strategy="in-place"))
    beside = client.redeploy(NAME, config=greeting("beside", strategy="surge"))

    planned, other = await in_place.plan(), await beside.plan()
    await carried_out(client, in_place)

    seen = await answer(url)
    assert planned.downtime
    assert not any((planned.surge or {}).values())
    assert other.downtime is None
    assert (other.surge or {})["replicas"] >= 1
    assert seen == (200, "in place")
    await carried_out(client, beside)
    assert await answer(url) == (200, "beside")


@pytest.mark.usefixtures("url")
async def test_a_plan_changes_nothing(client: Slipway) -> None:
    before = (await client.deployment(NAME)).as_json()

    plan = await client.redeploy(NAME, config=greeting("planned")).plan()

    after = (await client.deployment(NAME)).as_json()
    assert [each.field for each in plan.changes] == ["environment.GREETING"]
    assert plan.steps
    assert (after["etag"], after["live_release"]) == (before["etag"], before["live_release"])


async def test_a_stale_writer_is_refused(client: Slipway, url: str) -> None:
    stale = (await client.deployment(NAME)).as_json()["etag"]
    await carried_out(client, client.redeploy(NAME, config=greeting("somebody else")))

    refused = await refusal(client.redeploy(NAME, config=greeting("stale")).only_if(stale))

    assert refused.status == 412
    assert await answer(url) == (200, "somebody else")


async def test_a_rollback_without_a_number_runs_again_what_ran_before(client: Slipway, url: str) -> None:
    before = await release_of(client, client.redeploy(NAME, config=greeting("good")))
    await carried_out(client, client.redeploy(NAME, config=greeting("bad")))

    copy = await release_of(client, client.rollback(NAME))

    history = {each.release: each async for each in client.history(NAME)}
    assert (history[copy].cause, history[copy].copy_of) == ("rollback", before)
    assert await answer(url) == (200, "good")


async def test_cancel_ends_the_rollout_and_leaves_what_served(
    platform: RunningPlatform, client: Slipway
) -> None:
    done(platform, "deploy", str(MISBEHAVING), "--name", PATIENT)
    url = f"{platform.gateway_url}/default/{PATIENT}/misbehave"
    served = (await client.deployment(PATIENT)).live_release

    async with calling(url) as probe:
        slow = Configuration(environment={"SLOW_START_SECONDS": "1000"})
        rollout = await client.redeploy(PATIENT, config=slow)
        await eventually(lambda: is_starting(client, PATIENT))
        await carried_out(client, client.cancel(PATIENT))
        canceled = await ended(client, rollout)

    deployment = await client.deployment(PATIENT)
    assert canceled.state == "CANCELED"
    assert (deployment.state, deployment.live_release, deployment.next) == ("DEPLOYED", served, None)
    assert probe.failures == []
    await eventually(lambda: has_ready_only(client, PATIENT))
    await carried_out(client, client.delete(PATIENT))


async def is_starting(client: Slipway, name: str) -> bool:
    release = (await client.deployment(name)).next
    return release is not None and release.state == "STARTING"


async def has_ready_only(client: Slipway, name: str) -> bool:
    replicas = (await client.deployment(name)).as_json()["replica_list"]
    return {each["state"] for each in replicas} <= {"ready", "exited", "gone"}


async def test_a_newer_deploy_takes_the_place_of_one_that_is_on_its_way(
    platform: RunningPlatform, client: Slipway
) -> None:
    done(platform, "deploy", str(MISBEHAVING), "--name", OVERTAKEN)
    older = await client.redeploy(OVERTAKEN, config=Configuration(environment={"SLOW_START_SECONDS": "1000"}))
    await eventually(lambda: is_starting(client, OVERTAKEN))
    newer = await client.redeploy(OVERTAKEN, config=Configuration(environment={"SLOW_START_SECONDS": "0"}))

    states = [(await ended(client, each)).state for each in (older, newer)]

    assert states == ["SUPERSEDED", "SUCCEEDED"]
    assert (await client.deployment(OVERTAKEN)).live_release == 3
    await carried_out(client, client.delete(OVERTAKEN))


@pytest.mark.usefixtures("url")
async def test_history_and_differences_are_told_as_tables(platform: RunningPlatform, client: Slipway) -> None:
    first = await release_of(client, client.redeploy(NAME, config=greeting("plain")))
    second = await release_of(
        client,
        client.redeploy(NAME, config=greeting("described", description="new weights", replicas=1)),
    )

    table = platform.slipway("history", NAME, "--wide").stdout
    difference = platform.slipway("diff", NAME, str(first), str(second)).stdout
    [entry] = [each async for each in client.history(NAME, limit=1)]

    assert {"RELEASE", "VERSION", "IMAGES", "BY", "REPLICAS"} <= set(table.split())
    assert "environment.GREETING" in difference
    assert "described" in difference
    assert (entry.release, entry.user, entry.replicas, entry.description) == (
        second,
        "admin",
        1,
        "new weights",
    )
    assert all(image.startswith("sha256:") for image in entry.images.values())
    assert (entry.group, entry.stopped, entry.restorable) == ("default", False, True)


async def test_a_hidden_version_is_neither_listed_nor_deployed(client: Slipway, url: str) -> None:
    label = (await client.deployment(NAME)).version_label
    assert label is not None
    await client.hide_version(NAME, label)

    listed = [each.label async for each in client.versions(NAME)]
    refused = await refusal(client.deploy(NAME, version=label))
    serves = await answer(url)
    await client.hide_version(NAME, label, hidden=False)
    await carried_out(client, client.deploy(NAME, version=label, config=greeting("shown again")))

    assert label not in listed
    assert refused.reason == "VersionHidden"
    assert serves[0] == 200
    assert await answer(url) == (200, "shown again")


async def test_what_was_deleted_comes_back_stopped_with_all_it_had(client: Slipway, url: str) -> None:
    await carried_out(client, client.redeploy(NAME, config=greeting("before the end")))

    await carried_out(client, client.delete(NAME))
    gone = await answer(url)
    listed = [each.id async for each in client.deployments()]
    await carried_out(client, client.undelete(NAME))
    state = (await client.deployment(NAME)).state
    await carried_out(client, client.start(NAME))

    assert gone[0] == 404
    assert NAME not in listed
    assert state == "STOPPED"
    assert await answer(url) == (200, "before the end")


async def test_an_unloaded_deployment_says_how_to_build_it_again_and_takes_nothing_from_others(
    platform: RunningPlatform, client: Slipway, url: str, serving: str
) -> None:
    await carried_out(client, client.delete(NAME, level="unload"))
    await carried_out(client, client.restart("serving"))  # of the same source, and so of the same images
    await carried_out(client, client.undelete(NAME))
    [entry] = await eventually(lambda: not_restorable(client))
    document = entry.as_json()
    refused = await refusal(client.start(NAME))

    done(platform, "deploy", str(GREETER), "--name", NAME, "--env", "GREETING=rebuilt")

    assert document["how_to_restore"]
    assert refused.reason in {"ReleaseNotRestorable", "VersionRemoved"}
    assert refused.hint
    assert await answer(url) == (200, "rebuilt")
    assert (await answer(serving))[0] == 200


async def not_restorable(client: Slipway) -> list[HistoryEntry]:
    return [each async for each in client.history(NAME, limit=1) if not each.restorable]


async def test_a_purged_id_begins_anew_and_goes_on_counting(
    platform: RunningPlatform, client: Slipway, url: str
) -> None:
    last = max([each.number async for each in client.releases(NAME)])
    await carried_out(client, client.configure(NAME, {"description": "to be forgotten"}))

    await carried_out(client, client.purge(NAME))
    gone = platform.slipway("show", NAME)
    history = [each.release async for each in client.history(NAME)]
    undeleted = await refusal(client.undelete(NAME))
    again = done(platform, "deploy", str(GREETER), "--name", NAME, "--env", "GREETING=anew")

    after = await client.deployment(NAME)
    assert gone.returncode != 0
    assert history == []
    assert undeleted.status in {404, 409}
    assert again["release"] == last + 1
    assert after.description == ""
    assert [each.release async for each in client.history(NAME)] == [last + 1]
    assert await answer(url) == (200, "anew")


async def test_a_source_placed_into_storage_by_hand_becomes_a_version(
    platform: RunningPlatform, client: Slipway
) -> None:
    found = await adoptable(platform, client)

    accepted = await client.artifacts.adopt_version(found, deployment="adopted", label="by-hand")
    built = await ended(client, accepted)
    await carried_out(client, client.put("adopted", version="by-hand", config=greeting("adopted")))

    listed = {each.name: each async for each in client.artifacts.all()}
    assert built.state == "SUCCEEDED"
    assert await answer(f"{platform.gateway_url}/default/adopted/greet") == (200, "adopted")
    assert listed[found].origin == "adopted"
    assert [each.path async for each in client.artifacts.found()] == []


async def adoptable(platform: RunningPlatform, client: Slipway) -> str:
    """Place a source into the storage, and return the path under which the platform finds it."""
    folder = platform.state / "blobs" / "incoming" / "default"
    folder.mkdir(parents=True, exist_ok=True)
    with pack(GREETER) as archive:
        archive.file.seek(0)
        (folder / "source.tar.gz").write_bytes(archive.file.read())

    async def paths() -> list[str]:
        return [each.path async for each in client.artifacts.found()]

    [path] = await eventually(paths)
    return path


@pytest.mark.usefixtures("url")
async def test_a_hidden_artifact_is_neither_listed_nor_built(client: Slipway) -> None:
    digest = await client.upload_folder(MISBEHAVING)
    await carried_out(client, client.build("hidden-source", source=digest))
    await client.artifacts.hide(digest)

    listed = [each.digest async for each in client.artifacts.all()]
    hidden = [each.digest async for each in client.artifacts.all(hidden=True)]
    refused = await refusal(client.build("hidden-source", source=digest))
    await client.artifacts.unhide(digest)

    assert digest not in listed
    assert digest in hidden
    assert refused.reason == "ArtifactHidden"
