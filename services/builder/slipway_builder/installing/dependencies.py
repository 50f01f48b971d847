"""Installs requirements into a folder that becomes a layer: wheels only, compiled, the same bytes each time.

Whether a layer has to be made at all is not decided here.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from slipway_builder.installing.host_base import HostBase
from slipway_builder.installing.masking import Mask
from slipway_builder.installing.processes import run

_TAIL_LINES: Final = 20
_PASSED_ON: Final = re.compile(
    r"UV_(?!CACHE_DIR$).+|SSL_CERT_(?:FILE|DIR)|(?:HTTPS?|NO|ALL)_PROXY|(?:https?|no|all)_proxy"
)
_INDEX_OF_PIP: Final = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE"),
}
_TESTS: Final = re.compile(r"(?:^|/)tests?/")
_SHEBANG: Final = re.compile(rb"#!(?:/bin/sh\n'''exec' [^\n]*\n' '''|[^\n]*python[^\n]*)\n")
_NO_SPACE: Final = "No space left on device"


class RequirementsUnresolvableError(Exception):
    """The installer found no set of wheels; `lines` are the last that the user was told."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class DiskFullError(Exception):
    """No space was left on a disk that a build writes to."""


class BytecodeError(Exception):
    """The interpreter could not be run to compile what was installed."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One run of the installer.

    Attributes:
        requirements: the file that says what to install.
        target: the empty folder to fill.
        place: where `target` will lie inside the image.
        source: where relative paths of the requirements begin.
        home: a folder for everything else that the installer writes.
    """

    requirements: Path
    target: Path
    place: str
    source: Path
    home: Path


@dataclass(frozen=True, kw_only=True)
class Installer:
    """Runs uv for the base's Python, with a cache that all builds of this installation share."""

    base: HostBase
    cache: Path

    async def install(self, task: Installation, *, line: Callable[[str], None]) -> None:
        """Install; `line` gets the output while it comes, without credentials.

        Cancelling kills the installer and its children.

        Raises:
            RequirementsUnresolvableError: with the resolver's own words.
            DiskFullError: the disk is full.
            BytecodeError: the base's Python does not run.
        """
        environment = build_environment(task.home) | {"UV_CACHE_DIR": str(self.cache)}
        mask = Mask(environment)
        tail: deque[str] = deque(maxlen=_TAIL_LINES)

        def hear(text: str) -> None:
            masked = mask(text)
            tail.append(masked)
            line(masked)

        for notice in unread_indexes():
            hear(notice)
        code = await run(self._command(task), cwd=task.source, env=environment, on_line=hear)
        if code != 0 and any(_NO_SPACE in text for text in tail):
            raise DiskFullError(
                f"no space left on the disk of {task.home.parent}, or of the cache of packages {self.cache}, "
                "while packages were installed"
            )
        if code != 0:
            raise RequirementsUnresolvableError(tail)
        await asyncio.to_thread(_normalise, task.target)
        await self._compile(task, line)

    def _command(self, task: Installation) -> list[str]:
        return [
            find_uv_bin(),
            *("pip", "install", "--python", str(self.base.interpreter), "--target", str(task.target)),
            *("--only-binary", ":all:", "--no-editable", "--no-progress", "--color", "never"),
            *("--requirements", str(task.requirements)),
        ]

    async def _compile(self, task: Installation, line: Callable[[str], None]) -> None:
        python = str(self.base.interpreter)
        # Without `-s` and `-p` the bytecode holds the build folder's path, with timestamps the build's time.
        options = ("--invalidation-mode", "unchecked-hash", "-s", str(task.target), "-p", task.place)
        lists = await asyncio.to_thread(_share_out, task.target, task.home, os.cpu_count() or 1)
        environment = build_environment(task.home)
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(
                    run(
                        [python, "-I", "-m", "compileall", "-qq", *options, "-i", str(names)],
                        cwd=task.target,
                        env=environment,
                        on_line=line,
                    )
                )
                for names in lists
            ]
        # Exit code 1: some file is no valid Python, as templates in packages are; the rest is compiled.
        codes = [each.result() for each in runs]
        if any(code not in (0, 1) for code in codes):
            raise BytecodeError(f"{python} -m compileall ended with exit code {codes}")


def build_environment(home: Path, outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return all that a child of a build may know: nothing of the platform's own settings and secrets."""
    passed = {name: value for name, value in outer.items() if _PASSED_ON.fullmatch(name)}
    return passed | {"PATH": outer.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}


def unread_indexes(outer: Mapping[str, str] = os.environ) -> list[str]:
    """Return a line for each index that somebody chose for pip alone: uv reads no variable of pip's.

    Source: https://docs.astral.sh/uv/pip/compatibility.
    """
    return [
        f"notice: {name} is set for the builder, but packages are installed by uv, which does not read it; "
        f"whoever runs the builder can set {instead[0]}"
        for name, instead in _INDEX_OF_PIP.items()
        if outer.get(name) and not any(outer.get(each) for each in instead)
    ]


def _normalise(target: Path) -> None:
    """Take out what differs from one build folder, machine or day to the next."""
    (target / ".lock").unlink(missing_ok=True)
    for script in (target / "bin").glob("*"):
        if script.is_file() and not script.is_symlink():
            _free_of_place(script)
    for info in target.glob("*.dist-info"):
        for name in ("uv_cache.json", "direct_url.json"):
            (info / name).unlink(missing_ok=True)
        if (info / "RECORD").is_file():
            _forget_places(info / "RECORD")


def _free_of_place(script: Path) -> None:
    content = script.read_bytes()
    if not _SHEBANG.match(content):
        return
    mode = script.stat().st_mode
    script.unlink()  # installed files may be hard links into the cache
    script.write_bytes(_SHEBANG.sub(b"#!/usr/bin/env python3\n", content, count=1))
    script.chmod(mode)


def _forget_places(record: Path) -> None:
    kept = []
    for line in record.read_text(encoding="utf-8").splitlines():
        name = line.split(",", maxsplit=1)[0]
        if name.startswith(("bin/", "../../bin/")):
            kept.append(f"{name},,")
        elif not name.endswith((".dist-info/uv_cache.json", ".dist-info/direct_url.json")):
            kept.append(line)
    record.unlink()
    record.write_text("".join(f"{line}\n" for line in sorted(kept)), encoding="utf-8")


def _share_out(target: Path, home: Path, parts: int) -> list[Path]:
    """Write the modules worth compiling to one list file per process; test suites are not worth it."""
    modules = sorted(
        str(path) for path in target.rglob("*.py") if not _TESTS.search(f"{path.relative_to(target)}")
    )
    files = []
    for part in range(min(parts, len(modules))):
        names = home / f"modules-{part}.txt"
        names.write_text("".join(f"{module}\n" for module in modules[part::parts]))
        files.append(names)
    return files
