"""The commands that make a release of an earlier one."""

from collections.abc import Callable
from typing import Any

from e2e.running_platform import RunningPlatform

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def test_a_scale_keeps_the_replicas_that_are_ready(ask: Ask, deployed: Deployed) -> None:
    name = deployed("scaled")
    before = {(each["workload"], each["replica"]) for each in ask("show", name)["replica_list"]}

    document = ask("scale", name, "2")

    after = {(each["workload"], each["replica"]) for each in document["status"]["replica_list"]}
    assert document["status"]["live"]["cause"] == "scale"
    assert document["status"]["ready"] == 2
    assert before < after


def test_an_update_sets_and_removes_single_fields(ask: Ask, deployed: Deployed) -> None:
    name = deployed("updated", "--meta", "git=1", "--meta", "who=ada")

    document = ask("update", name, "-e", "EXTRA=1", "-e", "GREETING-", "--meta", "git=2", "--meta", "who-")

    config = document["status"]["live"]["config"]
    assert config["environment"] == {"EXTRA": "1"}
    assert config["metadata"] == {"git": "2"}


def test_a_restart_makes_new_replicas_of_the_same(ask: Ask, deployed: Deployed) -> None:
    name = deployed("restarted")
    before = ask("show", name)

    after = ask("restart", name)["status"]

    assert after["live_release"] == before["live_release"] + 1
    assert [each["field"] for each in ask("diff", name, "1", "2")["changes"]] == ["restart"]
    pids = [
        {each["pid"] for each in status["replica_list"] if each["state"] == "ready"}
        for status in (before, after)
    ]
    assert pids[1] - pids[0], "no new replica is ready"


def test_a_rollback_is_an_exact_copy_without_a_build(ask: Ask, deployed: Deployed) -> None:
    name = deployed("rolled")
    ask("redeploy", name, "-e", "GREETING=two", "--replicas", "2")

    document = ask("rollback", name, "--to", "1")

    live = document["status"]["live"]
    assert (live["copy_of"], live["cause"], live["config"]["replicas"]) == (1, "rollback", 1)
    assert live["config"]["environment"] == {"GREETING": "one"}
    assert len(ask("builds", name)) == 1


def test_a_rollback_without_a_number_goes_to_what_served_before(ask: Ask, deployed: Deployed) -> None:
    name = deployed("undone")
    ask("redeploy", name, "-e", "GREETING=two")

    document = ask("rollback", name)

    assert document["status"]["live"]["copy_of"] == 1


def test_a_dry_run_shows_the_plan_and_changes_nothing(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("planned")

    plan = ask("redeploy", name, "-e", "GREETING=two", "--dry-run")
    told = platform.slipway("scale", name, "3", "--dry-run").stdout
    in_place = ask("redeploy", name, "-e", "GREETING=two", "--strategy", "in-place", "--dry-run")

    assert plan["changes"] == [{"field": "environment.GREETING", "before": "one", "after": "two"}]
    assert plan["downtime"] is None
    assert in_place["downtime"]
    assert "replicas  1       3" in told
    assert told.endswith("Nothing was changed.\n")
    assert len(ask("history", name)) == 1


def test_a_stale_writer_is_refused(platform: RunningPlatform, ask: Ask, deployed: Deployed) -> None:
    name = deployed("guarded")
    etag = ask("show", name)["etag"]
    ask("scale", name, "2", "--if-match", etag)

    ran = platform.slipway("scale", name, "1", "--if-match", etag)

    assert ran.returncode == 1
    assert "PreconditionFailed" in ran.stderr


def test_the_history_tells_what_ran_and_a_diff_what_differs(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("wide", "--meta", "git=1f3c", "--description", "first")
    ask("redeploy", name, "-e", "GREETING=two", "--description", "second")

    wide = platform.slipway("history", name, "--wide").stdout.splitlines()
    told = platform.slipway("diff", name, "1", "2").stdout

    assert [title in wide[0] for title in ("IMAGES", "METADATA", "STOPPED", "GROUP", "TYPE")] == [True] * 5
    assert "greet=sha256:" in wide[2]
    assert '{"git": "1f3c"}' in wide[2]
    assert "environment.GREETING  one     two" in told
    assert platform.slipway("diff", name, "1", "1").stdout.startswith("Releases 1 and 1")


def test_a_variable_of_the_platform_is_told_before_it_surprises(
    platform: RunningPlatform, deployed: Deployed
) -> None:
    name = deployed("paths")

    ran = platform.slipway("update", name, "-e", "PATH=/opt/bin", "--dry-run", "--json")

    assert "PATH is put together by the platform" in ran.stderr
    assert ran.stdout.startswith("{")


def test_a_rollback_says_where_it_went_and_how_to_go_further(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("returned")
    for greeting in ("two", "three"):
        ask("redeploy", name, "-e", f"GREETING={greeting}")

    first = platform.slipway("rollback", name)
    second = platform.slipway("rollback", name)

    assert first.stdout.splitlines()[-3:] == [
        "Release 4 runs now, an exact copy of release 2. Before it, release 3 did.",
        f"To undo this: slipway rollback {name}",
        f"To go further back: slipway rollback {name} --to 1",
    ]
    assert "Release 5 runs now, an exact copy of release 3. Before it, release 4 did." in second.stdout
