import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slipway.cli import make_app
from slipway.hints import hint_for
from slipway.invocation import Invocation
from slipway_contracts.lifecycle import DeploymentState
from typer.main import get_command
from typer.testing import CliRunner, Result

MUTATION_OPTIONS = {"--no-wait", "--dry-run", "--if-match"}
CLOSED = ("--url", "http://127.0.0.1:1", "--key", "slw_x")


@pytest.fixture(autouse=True)
def _no_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLIPWAY_URL", "SLIPWAY_KEY", "SLIPWAY_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLIPWAY_STATE", str(tmp_path / "no-platform"))


def run(*words: str) -> Result:
    return CliRunner().invoke(make_app(), list(words))


def test_help_names_every_command_under_a_heading() -> None:
    said = run("--help").output

    for heading, commands in {
        "Deploy:": ("deploy", "redeploy", "update", "scale", "restart", "rollback", "build"),
        "Aliases:": ("alias", "pin", "unpin"),
        "Run and end:": ("start", "stop", "delete", "undelete", "purge", "cancel", "rename", "set"),
        "Look:": ("ls", "show", "logs", "events", "history", "diff", "versions", "builds"),
        "Secrets and access:": ("secret", "access"),
        "Installation:": ("group", "instance-type", "target", "key", "artifact"),
    }.items():
        section = said.split(f"\n{heading}\n")[1].split("\n\n")[0]
        for name in commands:
            assert f"\n  {name} " in f"\n{section}"
    assert "..." not in said.split("Deploy:")[1]


def leaves(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every command that does something, with the words that call it."""
    for word, each in getattr(command, "commands", {}).items():
        yield from leaves(each, *words, word)
    if not hasattr(command, "commands"):
        yield words, command


OWN = [
    (words, command)
    for words, command in leaves(get_command(make_app()))
    if words[0] not in {"up", "down", "status", "projections", "log", "subscriber", "greet"}
]
MUTATIONS = {
    *("deploy", "redeploy", "update", "scale", "restart", "rollback", "build"),
    *("alias set", "alias rm", "pin", "unpin", "start", "stop", "cancel", "rename", "set"),
    *("delete", "rm", "undelete", "purge", "access open", "access basic", "access keys"),
    *("access key add", "access key rotate", "access key revoke", "access user add", "access user rm"),
    "dead retry",
}


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(("words", "command"), OWN, ids=[" ".join(words) for words, _ in OWN])
def test_every_command_takes_the_connection_and_json(words: tuple[str, ...], command: Any) -> None:
    assert options(command) >= {"--group", "--url", "--key", "--state", "--json"}, words
    assert command.help, words


def test_every_mutation_of_a_deployment_can_be_planned_left_alone_or_bound_to_what_was_seen() -> None:
    found = {" ".join(words) for words, command in OWN if options(command) >= MUTATION_OPTIONS}

    assert found == MUTATIONS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deploy",), "default: 5m"),
        (("deploy",), "default: surge"),
        (("deploy",), "default: 1Gi"),
        (("stop",), "within 5 minutes"),
        (("build",), "30 minutes"),
        (("set",), "at first: 5m"),
        (("rename",), "for a day"),
        (("delete",), "default: hide"),
        (("logs",), "default: 1000"),
    ],
)
def test_help_names_the_defaults_and_the_deadlines(words: tuple[str, ...], said: str) -> None:
    assert said in " ".join(run(*words, "--help").output.split())


@pytest.mark.parametrize("state", DeploymentState)
def test_ls_knows_each_state_that_was_given_as_the_folder_of_a_platform(state: DeploymentState) -> None:
    result = run("ls", "--state", state.lower())

    assert result.exit_code == 2
    assert f"slipway ls --in-state {state}" in result.stderr


def test_a_value_that_is_secret_is_no_argument_of_any_command() -> None:
    told = next(command.params for words, command in OWN if words == ("secret", "set"))

    assert {parameter.name for parameter in told} >= {"name", "from_file"}
    assert not {"value", "secret"} & {parameter.name for parameter in told}


def test_a_first_word_that_is_no_command_of_versions_names_the_deployment_to_list() -> None:
    result = run("versions", "digits", *CLOSED)

    assert result.exit_code == 3
    assert "http://127.0.0.1:1 does not answer" in result.stderr


def test_a_purge_that_nobody_can_confirm_is_refused() -> None:
    result = run("purge", "digits", *CLOSED)

    assert result.exit_code == 2
    assert "--yes" in result.stderr


def test_asking_for_help_loads_neither_http_nor_rich_nor_models() -> None:
    script = (
        "import sys, slipway.cli as cli\n"
        "cli.make_app()\n"
        "print([name for name in ('aiohttp', 'rich.console', 'pydantic', 'pathspec') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert said.stdout.strip() == "[]"


def make_plugin(folder: Path, *, name: str, source: str) -> None:
    """Lay out an installed package with one entry point, as an installer would."""
    (folder / f"{name}.py").write_text(source)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[slipway.commands]\n{name} = {name}:register\n")


def slipway_with(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = "from slipway.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_plugin_adds_its_commands(tmp_path: Path) -> None:
    source = (
        "def register(app):\n"
        "    app.command('greet')(greet)\n\n"
        "def greet():\n"
        "    'Say hello.'\n"
        "    print('hello')\n"
    )
    make_plugin(tmp_path, name="greeting", source=source)

    assert "greet  Say hello." in slipway_with(tmp_path, "--help").stdout.split("Other:")[1]
    assert slipway_with(tmp_path, "greet").stdout == "hello\n"


def test_a_plugin_that_cannot_be_loaded_is_named_and_breaks_nothing(tmp_path: Path) -> None:
    make_plugin(tmp_path, name="broken", source="import a_module_that_is_not_there\n")

    ran = slipway_with(tmp_path, "--version")

    assert ran.returncode == 0
    assert "the plugin broken cannot be loaded: No module named 'a_module_that_is_not_there'" in ran.stderr


def test_without_a_platform_it_says_how_to_start_one() -> None:
    result = run("ls")

    assert result.exit_code == 3
    assert "there is no platform in" in result.stderr
    assert "slipway up" in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_json_document_where_json_is_wanted() -> None:
    result = run("ls", "--json")

    document = json.loads(result.stdout)

    assert result.exit_code == 3
    assert document["error"]["reason"] == "NotConnected"
    assert "slipway up" in document["error"]["hint"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deploy", "./nowhere", *CLOSED), "./nowhere is no folder"),
        (("deploy", "20261121.1", *CLOSED), "whose version it is, is not said"),
        (("deploy", "20261121.1", "--name", "x", "--label", "y", *CLOSED), "--label names what is built"),
        (("deploy", ".", "--memory", "much", *CLOSED), "no amount of memory"),
        (("deploy", ".", "--env", "A", *CLOSED), "not NAME=VALUE"),
        (("deploy", ".", "--replicas", "0", *CLOSED), "--replicas"),
        (("deploy", ".", "-e", "A=1", "--secret", "A=s", *CLOSED), "A is given by --env too"),
        (("update", "x", *CLOSED), "nothing to update was given"),
        (("update", "x", "-e", "A", *CLOSED), "neither NAME=VALUE nor NAME-"),
        (("set", "x", *CLOSED), "nothing to set was given"),
        (("alias", "set", "x", "live", *CLOSED), "Give either releases or --version"),
        (("alias", "set", "x", "live", "1=90", "2=20", *CLOSED), "100 together"),
        (("artifact", "adopt", "x", "--label", "v1", *CLOSED), "--as-version-of"),
        (("secret", "set", "x", "--from-file", "/no/such/file", *CLOSED), "cannot be read as text"),
        (("group", "set", "x", "--replicas", "many", *CLOSED), "is no number"),
        (("deplo", "."), "Did you mean 'deploy'"),
        (("build", "./nowhere", "--name", "x", *CLOSED), "is no folder"),
        (("ls", "--url", "nonsense", "--key", "x"), "is no URL"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(words: tuple[str, ...], said: str) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").output.startswith("slipway ")


def test_the_command_to_look_again_asks_the_same_platform() -> None:
    invocation = Invocation(group="vision", state=Path("/with a space"))

    assert invocation.again("show", "digits") == "slipway show digits --group vision --state '/with a space'"


def test_the_command_about_a_group_names_it_once() -> None:
    assert Invocation(group="vision").again("group", "show", "vision") == "slipway group show vision"


def test_a_refusal_is_explained_in_commands_not_in_routes() -> None:
    again = Invocation().again

    instance = {"instance": "/v1/groups/vision/deployments/digits/deploy", "version": "v1"}
    assert hint_for("NotRunning", {"deployment": "digits"}, again) == "Run it again: slipway start digits"
    assert hint_for("VersionHidden", instance, again) == "Show it again: slipway versions unhide digits v1"
    assert hint_for("DeploymentNotFound", {}, again) == "See what there is: slipway ls"
    gone = {"deployment": "digits", "deleted": True}
    assert hint_for("DeploymentNotFound", gone, again) == "Bring it back: slipway undelete digits"
    removed = {"deployment": "digits", "release": 3, "source": "sha256:0"}
    built = "Build its source again: slipway deploy sha256:0 --name digits"
    assert hint_for("ReleaseNotRestorable", removed, again) == built
    assert hint_for("ReleaseNotRestorable", {**removed, "source": None}, again) is None
    assert hint_for("NotRunning", {}, again) is None
    assert hint_for("StorageFull", {}, again) is None


@pytest.mark.parametrize(("words", "command"), OWN, ids=[" ".join(words) for words, _ in OWN])
def test_every_command_without_a_platform_ends_with_words_and_no_trace(
    words: tuple[str, ...], command: Any
) -> None:
    required = ["1" for parameter in command.params if parameter.required]

    result = run(*words, *required)

    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in {2, 3}
    assert result.stderr
