"""One platform for the tests of the client; each uses deployments of its own."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e.running_platform import FIXTURES, SLIPWAY, RunningPlatform

NEVER_READY = "endpoints:\n  - name: greet\n    server-command: sleep 1000\n"


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    with tempfile.TemporaryDirectory(prefix="slipway client ") as name:
        # The receivers of webhooks are on this machine.
        allowed = {"SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES": "true"}
        running = RunningPlatform(state=Path(name) / "state", environment=allowed)
        running.up()
        try:
            yield running
        finally:
            running.down()


@pytest.fixture
def never_ready(tmp_path: Path) -> Path:
    """A source whose replica runs and listens nowhere."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "slipway.yaml").write_text(NEVER_READY)
    return tmp_path / "source"


@pytest.fixture(scope="session")
def greeter(platform: RunningPlatform) -> str:
    """The name of a deployment that is live; tests of reads share it."""
    ran = platform.slipway("deploy", str(FIXTURES / "greeter"), "--name", "reads", "--description", "first")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return "reads"


Ask = Callable[..., Any]
Deployed = Callable[..., str]


@pytest.fixture(scope="session")
def ask(platform: RunningPlatform) -> Ask:
    """Run a command that has to succeed, and return the JSON document that it writes."""

    def run(*words: str) -> Any:
        ran = platform.slipway(*words, "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        (line,) = ran.stdout.splitlines()
        return json.loads(line)

    return run


@pytest.fixture(scope="session")
def deployed(ask: Ask) -> Deployed:
    """Deploy the greeter under a name, which is returned."""

    def deploy(name: str, *words: str, greeting: str = "one") -> str:
        ask("deploy", str(FIXTURES / "greeter"), "--name", name, "-e", f"GREETING={greeting}", *words)
        return name

    return deploy


@dataclass(frozen=True, kw_only=True)
class Running:
    """A command that goes on while the test does something else."""

    process: subprocess.Popen[str]

    def line_with(self, text: str) -> str:
        """Return the next line that holds this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return line
        raise AssertionError(f"the command ended without {text!r}")

    def end(self) -> tuple[int, str, str]:
        """Return exit code, the rest of the output, and the errors, once it has ended."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


Beside = Callable[..., Running]


@pytest.fixture
def beside(platform: RunningPlatform) -> Iterator[Beside]:
    """Start commands that run beside the test, and are killed at its end if they still run."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Running:
            command = [str(SLIPWAY), *arguments, "--state", str(platform.state)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return Running(process=process)

        yield start
