"""The command of an image, as this machine runs it."""

from pathlib import Path
from typing import Any

from slipway_engines.supervisor.launcher.image_command import HostCommand, host_command
from slipway_engines.supervisor.launcher.launch_config import LaunchConfig


def make_config(**overrides: Any) -> LaunchConfig:
    values: dict[str, Any] = {
        "program": "p",
        "installation": "here",
        "target": "local",
        "group": "default",
        "deployment": "digits",
        "endpoint": "predict",
        "workload": "00000000000000aa",
        "replica": "0-1",
        "argv": ["python", "server.py"],
        "shell": None,
        "working_dir": "/app",
        "environment": {},
        "port": 20001,
        "fixed_port": False,
        "health": None,
        "grace_seconds": 1.0,
        "image": {},
        **overrides,
    }
    return LaunchConfig(**values)


def command(root: Path, variables: dict[str, str] | None = None, **overrides: Any) -> HostCommand:
    for name in ("app/server.py", "opt/packages/bin/tool", "etc/hosts"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return host_command(
        make_config(**overrides),
        variables=variables or {},
        root=str(root),
        python_bin="/clean/bin",
        folder="/replica",
        port=20001,
    )


def test_paths_of_the_image_lie_below_its_root(tmp_path: Path) -> None:
    variables = {"PYTHONPATH": "/app:/opt/packages", "MODE": "fast", "CONFIG": "/nowhere", "SLASH": "/"}

    result = command(tmp_path, variables)

    assert result.working_dir == f"{tmp_path}/app"
    assert result.environment["PYTHONPATH"] == f"{tmp_path}/app:{tmp_path}/opt/packages"
    assert result.environment["MODE"] == "fast"
    assert result.environment["CONFIG"] == "/nowhere"
    assert result.environment["SLASH"] == "/"


def test_the_search_path_begins_with_the_image_then_the_clean_python_then_this_machine(
    tmp_path: Path,
) -> None:
    result = command(tmp_path, {"PATH": "/opt/packages/bin:/usr/bin:/no/such/folder:/bin"})

    assert result.environment["PATH"] == f"{tmp_path}/opt/packages/bin:/clean/bin:/usr/bin:/bin"


def test_an_image_without_a_search_path_gets_that_of_this_machine(tmp_path: Path) -> None:
    result = command(tmp_path)

    assert result.environment["PATH"].split(":")[0] == "/clean/bin"
    assert result.environment["PATH"].split(":")[-1] == "/bin"


def test_arguments_that_exist_in_the_image_are_found_there(tmp_path: Path) -> None:
    argv = ["/opt/packages/bin/tool", "--port=${PORT}", "$PORT", "/app/server.py", "/var/else", "--x=/app"]

    result = command(tmp_path, argv=argv)

    assert result.argv == [
        *(f"{tmp_path}/opt/packages/bin/tool", "--port=20001", "20001"),
        *(f"{tmp_path}/app/server.py", "/var/else", "--x=/app"),
    ]


def test_what_the_user_wrote_is_taken_literally_and_wins_but_for_the_port(tmp_path: Path) -> None:
    user = {"PREFIX": "/app", "MODE": "slow", "PORT": "1"}

    result = command(tmp_path, {"MODE": "fast"}, environment=user)

    assert result.environment["PREFIX"] == "/app"
    assert result.environment["MODE"] == "slow"
    assert result.environment["PORT"] == "20001"
    assert result.environment["HOME"] == "/replica/home"
    assert result.environment["TMPDIR"] == "/replica/tmp"


def test_a_shell_line_is_left_as_it_is(tmp_path: Path) -> None:
    result = command(tmp_path, shell="run $PORT /app")  # noqa: S604 - a field of this name

    assert result.argv == ["/bin/sh", "-c", "run $PORT /app"]
