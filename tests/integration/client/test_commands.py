"""The command line against a whole platform, as a user and as a pipeline run it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from e2e.running_platform import FIXTURES, SLIPWAY, RunningPlatform

GREETER = str(FIXTURES / "greeter")
Beside = Callable[..., Any]


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def state_of(platform: RunningPlatform, name: str) -> str:
    return str(json.loads(platform.slipway("show", name, "--json").stdout)["state"])


def test_a_deploy_shows_build_then_release_then_where_to_call(platform: RunningPlatform) -> None:
    ran = platform.slipway("deploy", GREETER, "--name", "shown", "-e", "GREETING=salut")

    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    parts = [line.split()[1] for line in lines if line.startswith("✓")]
    assert list(dict.fromkeys(parts)) == ["build", "release", "alias"]
    assert any(line.startswith("shown is DEPLOYED: release 1, version ") for line in lines)
    assert "\x1b" not in ran.stdout
    url = lines[-1].removeprefix("Call it: curl ")
    with urlopen(url, timeout=5) as answer:  # noqa: S310 - the platform's own URL
        assert answer.read() == b"salut"


def test_an_unchanged_folder_is_not_uploaded_again(platform: RunningPlatform) -> None:
    platform.slipway("build", GREETER, "--name", "again")

    ran = platform.slipway("build", GREETER, "--name", "again")

    assert ran.returncode == 0, ran.stderr
    assert "unchanged since an earlier upload" in ran.stdout


def test_a_version_is_built_once_and_deployed_by_its_label(platform: RunningPlatform) -> None:
    built = platform.slipway("build", GREETER, "--name", "labelled", "--label", "v1.0", "--json")
    deployed = platform.slipway("deploy", "v1.0", "--name", "labelled", "--json")

    (first,), (second,) = documents(built.stdout), documents(deployed.stdout)
    assert (first["state"], first["version"]) == ("SUCCEEDED", "v1.0")
    assert (second["state"], second["version"], second["release"]) == ("SUCCEEDED", "v1.0", 1)
    assert (second["deployment"], second["status"]["state"]) == ("labelled", "DEPLOYED")
    assert (second["operation"]["state"], second["operation"]["release"]) == ("SUCCEEDED", 1)


def test_a_redeploy_changes_only_what_is_given(platform: RunningPlatform) -> None:
    words = ("--name", "kept", "-e", "GREETING=ciao", "--memory", "256Mi", "--meta", "git=1f3c")
    platform.slipway("deploy", GREETER, *words)

    ran = platform.slipway("redeploy", "kept", "--replicas", "2", "--cpu", "0.5", "--json")

    (document,) = documents(ran.stdout)
    config = document["status"]["live"]["config"]
    assert config["replicas"] == 2
    assert config["environment"] == {"GREETING": "ciao"}
    assert config["size"] == {"cpu": 0.5, "memory_bytes": 256 << 20, "gpu": 0}
    assert config["metadata"] == {"git": "1f3c"}


def test_a_failed_deploy_tells_its_failure_record_and_ends_with_1(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    (tmp_path / "slipway.yaml").write_text(
        "endpoints:\n  - name: greet\n    server-command: 'echo famous last words; exit 3'\n"
    )

    ran = platform.slipway("deploy", str(tmp_path), "--name", "broken")
    as_json = platform.slipway("deploy", str(tmp_path), "--name", "broken", "--json")

    assert ran.returncode == as_json.returncode == 1
    for text in ("ReplicaExited", "exit code: 3", "| famous last words", "What to do:"):
        assert text in ran.stderr
    (document,) = documents(as_json.stdout)
    assert (document["state"], document["failure"]["exit_code"]) == ("FAILED", 3)
    assert "famous last words" in platform.slipway("show", "broken").stderr


def test_a_newer_deploy_is_named_as_what_ended_the_older(
    platform: RunningPlatform, beside: Beside, never_ready: Path
) -> None:
    older = beside("deploy", str(never_ready), "--name", "raced")
    older.line_with("starting")

    newer = platform.slipway("deploy", GREETER, "--name", "raced")

    code, _, errors = older.end()
    assert newer.returncode == 0, newer.stderr
    assert code == 1
    assert "SUPERSEDED: a newer command of raced took the place of this one" in errors


def test_a_canceled_deploy_says_so_and_leaves_what_served(
    platform: RunningPlatform, beside: Beside, never_ready: Path
) -> None:
    platform.slipway("deploy", GREETER, "--name", "canceled")
    deploy = beside("deploy", str(never_ready), "--name", "canceled")
    deploy.line_with("starting")

    cancel = platform.slipway("cancel", "canceled")

    code, _, errors = deploy.end()
    assert cancel.returncode == 0, cancel.stderr
    assert code == 1
    assert "CANCELED by admin" in errors
    assert state_of(platform, "canceled") == "DEPLOYED"


def test_ctrl_c_leaves_the_work_running_and_says_how_to_look_again(
    platform: RunningPlatform, beside: Beside, never_ready: Path
) -> None:
    deploy = beside("deploy", str(never_ready), "--name", "left", "--deadline", "5m")
    deploy.line_with("starting")

    deploy.process.send_signal(signal.SIGINT)

    code, _, errors = deploy.end()
    assert code == 130
    assert "the work goes on" in errors
    assert "slipway show left --state" in errors
    assert "slipway events left -f --from " in errors
    assert state_of(platform, "left") == "DEPLOYING"
    platform.slipway("stop", "left")


def test_a_wait_outlives_the_api(platform: RunningPlatform, beside: Beside, never_ready: Path) -> None:
    deploy = beside("deploy", str(never_ready), "--name", "outlived", "--deadline", "6s")
    deploy.line_with("starting")

    platform.kill9("api")

    code, _, errors = deploy.end()
    assert code == 1
    assert "NeverListened" in errors


def test_stop_start_and_rm_say_what_became_of_it(platform: RunningPlatform) -> None:
    platform.slipway("deploy", GREETER, "--name", "round")

    said = [platform.slipway(verb, "round").stdout.splitlines() for verb in ("stop", "start", "rm")]

    assert said[0][-1] == "round is STOPPED."
    assert any(line.startswith("round is DEPLOYED: release 2") for line in said[1])
    assert said[2][-2] == "round is DELETED."
    assert said[2][-1].startswith("Bring it back: slipway undelete round")
    assert "round" not in platform.slipway("ls").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("stop", "nowhere"), 1, "See what there is: slipway ls"),
        (("start", "reads"), 1, "Run it anew: slipway restart reads"),
        (("deploy", "19990101.1", "--name", "reads"), 1, "See the versions: slipway versions list reads"),
        (("show", "No_Name"), 1, "must be 1 to 63 characters of a-z, 0-9 and -"),
        (("show", ".."), 2, "'..' is no name"),
        (("ls", "--group", "elsewhere"), 1, "There is no group elsewhere"),
        (("ls", "--key", "slw_wrong"), 3, "Give the right --key"),
    ],
)
def test_a_refusal_says_what_to_do_in_words_of_the_command_line(
    platform: RunningPlatform, greeter: str, words: tuple[str, ...], code: int, said: str
) -> None:
    assert greeter == "reads"

    ran = platform.slipway(*words)

    assert ran.returncode == code
    assert said in ran.stderr
    assert ran.stdout == ""


def test_a_server_that_is_not_there_is_exit_code_3(platform: RunningPlatform) -> None:
    ran = platform.slipway("ls", "--url", "http://127.0.0.1:1", "--key", "slw_x")

    assert ran.returncode == 3
    assert "http://127.0.0.1:1 does not answer: Connection refused" in ran.stderr
    assert "slipway up" in ran.stderr


def test_every_read_has_a_human_and_a_json_face(platform: RunningPlatform, greeter: str) -> None:
    headers = {"ls": "NAME", "history": "RELEASE", "versions": "VERSION", "builds": "BUILD"}
    for verb, header in headers.items():
        words = (verb,) if verb == "ls" else (verb, greeter)

        human, (found,) = platform.slipway(*words), documents(platform.slipway(*words, "--json").stdout)

        assert human.stdout.startswith(header)
        assert len(found) == len(human.stdout.splitlines()) - 1 > 0
    shown = platform.slipway("show", greeter).stdout
    assert re.search(r"^state +DEPLOYED$", shown, re.MULTILINE)
    assert "/default/reads/greet" in shown
    assert "ReplicasReady  yes" in shown


def test_history_says_who_why_and_in_which_order(platform: RunningPlatform) -> None:
    platform.slipway("deploy", GREETER, "--name", "remembered", "--description", "first")
    platform.slipway("redeploy", "remembered", "--description", "second")

    (releases,) = documents(platform.slipway("history", "remembered", "--json").stdout)
    limited = platform.slipway("history", "remembered", "--limit", "1").stdout.splitlines()

    assert [each["description"] for each in releases] == ["second", "first"]
    assert [each["user"] for each in releases] == ["admin", "admin"]
    assert len(limited) == 2
    assert limited[1].endswith("second")


def test_logs_show_which_replica_wrote_what(platform: RunningPlatform, greeter: str) -> None:
    human = platform.slipway("logs", greeter, "--endpoint", "greet")
    (line,) = documents(platform.slipway("logs", greeter, "--tail", "1", "--json").stdout)

    assert re.search(r"^\d\d:\d\d:\d\dZ 1/0-1 greet \| listening on", human.stdout, re.MULTILINE)
    assert "\x1b" not in human.stdout
    assert (line["release"], line["endpoint"], line["replica"]) == (1, "greet", "0-1")
    assert platform.slipway("logs", greeter, "--since", "1ms").stdout == ""


def test_logs_take_a_replica_as_they_show_it_and_lines_alone_for_scripts(
    platform: RunningPlatform, greeter: str
) -> None:
    whole = platform.slipway("logs", greeter, "--plain").stdout

    asked = ("--release", "1", "--since", "1h", "--plain", "--replica")
    for replica in ("1/0-1", "0-1", "0"):
        assert platform.slipway("logs", greeter, *asked, replica).stdout == whole
    assert whole.startswith("listening on")
    assert platform.slipway("logs", greeter, "--replica", "1/7").stdout == ""
    missing = platform.slipway("logs", greeter, "--release", "9")
    other = platform.slipway("logs", greeter, "--release", "2", "--replica", "1/0-1")
    assert (missing.returncode, other.returncode) == (1, 2)
    assert "ReleaseNotFound" in missing.stderr
    assert "not of release 2" in other.stderr


def test_the_status_of_the_platform_names_a_replica_as_its_log_does(
    platform: RunningPlatform, greeter: str
) -> None:
    human = platform.slipway("status").stdout
    (status,) = documents(platform.slipway("status", "--json").stdout)

    (line,) = [line for line in human.splitlines() if line.startswith(f"{greeter}/")]
    assert line.startswith(f"{greeter}/1/0-1 greet ")
    replicas = [each["replica"] for each in status["processes"] if each["replica"] is not None]
    assert [(each["release"], each["replica"]) for each in replicas if each["deployment"] == greeter] == [
        (1, "0-1")
    ]


def test_followed_logs_show_lines_as_they_are_written(platform: RunningPlatform, beside: Beside) -> None:
    platform.slipway("deploy", GREETER, "--name", "followed")
    logs = beside("logs", "followed", "-f", "--replica", "1-1")

    platform.slipway("redeploy", "followed", "--replicas", "2")

    assert re.match(r"\d\d:\d\d:\d\dZ 2/1-1 greet \| listening on", logs.line_with("listening"))


def test_the_log_of_a_build_ends_with_the_build(platform: RunningPlatform, greeter: str) -> None:
    (builds,) = documents(platform.slipway("builds", greeter, "--json").stdout)

    followed = platform.slipway("logs", greeter, "--build", builds[-1]["id"], "-f", timeout=20)
    read = platform.slipway("logs", greeter, "--build", builds[-1]["id"])

    assert followed.returncode == 0, followed.stderr
    assert "manifest" in followed.stdout
    assert followed.stdout == read.stdout


def test_events_are_filtered_by_type_and_begin_where_asked(platform: RunningPlatform, greeter: str) -> None:
    every = documents(platform.slipway("events", greeter, "--json").stdout)
    releases = documents(platform.slipway("events", greeter, "--type", "release", "--json").stdout)
    behind = documents(
        platform.slipway("events", greeter, "--from", str(every[2]["sequence"]), "--json").stdout
    )

    assert {each["type"].split(".")[2] for each in releases} == {"release"}
    assert behind == every[3:]
    assert [int(each["sequence"]) for each in every] == sorted(int(each["sequence"]) for each in every)


def test_a_followed_stream_tells_the_same_as_the_page_and_then_goes_on(
    platform: RunningPlatform, beside: Beside
) -> None:
    platform.slipway("build", GREETER, "--name", "streamed")
    past = documents(platform.slipway("events", "streamed", "--json").stdout)
    stream = beside("events", "streamed", "-f", "--from", "0", "--json")

    seen = [json.loads(stream.line_with("sequence")) for _ in past]
    platform.slipway("build", GREETER, "--name", "streamed")
    following = json.loads(stream.line_with("command.build"))

    assert [each["id"] for each in seen] == [each["id"] for each in past]
    assert int(following["sequence"]) > int(past[-1]["sequence"])


def test_a_reader_that_has_seen_enough_is_no_error(platform: RunningPlatform, greeter: str) -> None:
    read_end, write_end = os.pipe()
    command = [str(SLIPWAY), "events", greeter, "-f", "--from", "0", "--state", str(platform.state)]
    with subprocess.Popen(command, stdout=write_end, stderr=subprocess.PIPE, text=True) as process:
        os.close(write_end)
        os.read(read_end, 1)
        os.close(read_end)
        platform.slipway("redeploy", greeter)

        _, errors = process.communicate(timeout=20)

    assert errors == ""
    assert process.returncode == 0


def test_without_waiting_the_answer_names_the_operation(platform: RunningPlatform) -> None:
    ran = platform.slipway("deploy", GREETER, "--name", "unwaited", "--no-wait", "--json")

    (accepted,) = documents(ran.stdout)
    assert accepted["operation"]["kind"] == "deploy"
    assert accepted["build"]
    assert accepted["sequence"] > 0


def test_events_of_what_is_not_there_are_said_to_be_none(platform: RunningPlatform) -> None:
    ran = platform.slipway("events", "nobody")

    assert (ran.returncode, ran.stdout) == (0, "No events of nobody.\n")
