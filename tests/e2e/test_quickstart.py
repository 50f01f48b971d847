"""The quickstart as a new user types it: every command as it stands, and every line that the page shows."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.running_platform import SLIPWAY, RunningPlatform, own_ports

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"
INSTALLATION = "Install"
"""The section whose commands the tests' own environment stands for."""

END = "--- end of a command ---"
VARYING = re.compile(
    r"""\b\d{8}\.\d+                  # labels of a day
    | \b[0-9a-f]{6,}\b              # digests
    | \d+(\.\d+)?[ ](s|B|kB|bytes)\b
    | \d{4}-\d\d-\d\d
    | \d\d:\d\d:\d\d""",
    re.VERBOSE,
)
MARK = f"\necho {END!r}\n"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the page tells its reader to type, and what it says comes of that."""

    command: str
    shown: tuple[str, ...] = ()


def steps() -> Iterator[Step]:
    """Yield the commands of the page in order; a block of `sh` is one."""
    for section in PAGE.read_text().split("\n## ")[1:]:
        if section.startswith(f"{INSTALLATION}\n"):
            continue
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
            if language == "sh":
                yield Step(command=text)
                continue
            assert language == "console", f"```{language}"
            assert text.startswith("$ ")
            for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = each.splitlines()
                yield Step(command=command, shown=tuple(line for line in shown if line != "…"))


def likeness(line: str) -> str:
    """Return what of a line is the same at every time and on every machine.

    A release that was replaced a moment ago may still drain.
    """
    return " ".join(VARYING.sub("0", line).replace("DRAINING", "RETIRED").split())


def missing(step: Step, printed: str) -> str | None:
    """Return the first line that the page shows and that was not printed, in this order; None: all were."""
    lines = iter([likeness(line) for line in printed.splitlines()])
    return next((line for line in step.shown if likeness(line) not in lines), None)


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slipway-quickstart-") as name:
        # Off a terminal curl draws its progress between the lines.
        (Path(name) / ".curlrc").write_text("silent\nshow-error\n")
        yield Path(name)


@pytest.fixture
def prepared(home: Path) -> Iterator[RunningPlatform]:
    """A platform that is down, and remembers ports of this test process."""
    platform = RunningPlatform(state=home / ".local" / "state" / "slipway", environment={"HOME": str(home)})
    # The servers are enough: with them all ports are chosen.
    ran = platform.slipway("up", "--detach", "--only", "servers", "--ports", own_ports())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    platform.down()
    try:
        yield platform
    finally:
        platform.down()


@pytest.mark.timeout(600)
def test_every_command_of_the_quickstart_does_what_the_page_shows(
    home: Path, prepared: RunningPlatform
) -> None:
    told = list(steps())
    connection = json.loads((prepared.state / "connection.json").read_text())
    addresses = {
        "http://127.0.0.1:8700": str(connection["url"]).rstrip("/"),
        "http://127.0.0.1:8780": prepared.gateway_url,
    }
    script = MARK.join([*(step.command for step in told), ""])
    for written, real in addresses.items():
        script = script.replace(written, real)

    ran = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=home,
        env={"HOME": str(home), "LANG": "C.UTF-8", "PATH": f"{SLIPWAY.parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=540,
    )

    output = ran.stdout.replace(str(home), "/home/ada")
    for written, real in addresses.items():
        output = output.replace(real, written)
    *outputs, after = output.split(f"{END}\n")
    assert not after
    assert len(outputs) == len(told), output
    for step, printed in zip(told, outputs, strict=True):
        assert missing(step, printed) is None, f"$ {step.command}\n{printed}"


def test_every_command_of_the_page_is_shown_with_what_it_prints() -> None:
    told = [step for step in steps() if step.command.startswith(("slipway ", "curl "))]

    assert told
    assert [step.command for step in told if not step.shown] == []


def test_another_answer_than_that_of_the_page_is_found() -> None:
    step = Step(command="slipway logs line", shown=("02:36:54Z 1/0-1 predict | y = 2 x + 1",))

    assert missing(step, "17:06:04Z   1/0-1 predict | y = 2 x + 1\n") is None
    assert missing(step, "02:36:54Z 1/0-1 predict | y = 2 x + 5\n") == step.shown[0]
