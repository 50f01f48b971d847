"""A replica that ends at once is explained by a command that works for whoever has the source."""

import subprocess
import sys
from pathlib import Path

import pytest
from slipway_contracts.version import CommandSpec
from slipway_deployer.desired.diagnosis import trial

SERVED = CommandSpec(argv=("python", "-m", "slipway_serve", "asgi", "line.app:application.inner"))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            CommandSpec.model_validate({"shell": "python serve.py --port $PORT"}),
            "PORT=8000 sh -c 'python serve.py --port $PORT'",
        ),
        (CommandSpec(argv=("python", "a b.py")), "PORT=8000 python 'a b.py'"),
        (
            CommandSpec(argv=("python", "-m", "slipway_serve", "wsgi", "predict:app")),
            "python -c 'import predict; predict.app'",
        ),
        (SERVED, "python -c 'import line.app; line.app.application.inner'"),
    ],
)
def test_each_kind_of_endpoint_has_a_command(command: CommandSpec, told: str) -> None:
    assert trial(command) == told


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("class application: inner = 1", ""),
        ("class application: pass", "AttributeError"),
        ("raise KeyError('intercept')", "KeyError"),
    ],
)
def test_the_command_of_an_application_ends_as_its_replica_did(tmp_path: Path, code: str, error: str) -> None:
    package = tmp_path / "line"
    package.mkdir()
    (package / "app.py").write_text(code)
    python = trial(SERVED).replace("python", sys.executable, 1)

    done = subprocess.run(
        ["/bin/sh", "-c", python], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode == 0) == (not error)
    assert error in done.stderr
