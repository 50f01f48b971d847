"""Installing requirements with the real installer."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from child_processes import children
from integration.builder.builder_world import SilentIndex
from slipway_builder.images.layers import GZIP, entries_of, write_layer
from slipway_builder.installing.dependencies import (
    Installation,
    Installer,
    RequirementsUnresolvableError,
    build_environment,
    unread_indexes,
)
from slipway_builder.stop_flag import StopFlag
from slipway_chassis.blobs import FilesystemBlobStore

MakeWheel = Callable[..., tuple[str, bytes]]
PLACE = "/opt/slipway/site-packages"


def make_task(folder: Path, text: str, **files: bytes) -> Installation:
    source, target, home = folder / "source", folder / "target", folder / "home"
    for each in (source, target, home):
        each.mkdir(parents=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    (home / "requirements.txt").write_text(text)
    return Installation(
        requirements=home / "requirements.txt", target=target, place=PLACE, source=source, home=home
    )


async def test_two_installations_from_scratch_are_the_same_layer(
    installer: Installer, tmp_path: Path, make_wheel: MakeWheel
) -> None:
    name, wheel = make_wheel()
    layers = []
    for number in ("one", "another-folder"):
        cold = Installer(base=installer.base, cache=tmp_path / number / "cache")
        task = make_task(tmp_path / number, f"./{name}\n", **{name: wheel})
        await cold.install(task, line=lambda _: None)
        blobs = FilesystemBlobStore(tmp_path / number / "blobs")
        entries = entries_of(task.target, under=PLACE[1:])
        layers.append(await write_layer(entries, media_type=GZIP, blobs=blobs, stop=StopFlag()))

    assert layers[0] == layers[1]


async def test_modules_are_compiled_and_scripts_obey_the_path(
    installer: Installer, tmp_path: Path, make_wheel: MakeWheel
) -> None:
    name, wheel = make_wheel()
    task = make_task(tmp_path, f"./{name}\n", **{name: wheel})

    await installer.install(task, line=lambda _: None)

    script = task.target / "bin" / "tiny"
    assert script.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert script.stat().st_mode & stat.S_IXUSR
    compiled = list(task.target.rglob("*.pyc"))
    assert [path.parent.parent.name for path in compiled] == ["tiny"]
    assert str(tmp_path).encode() not in compiled[0].read_bytes()


async def test_the_words_of_the_resolver_reach_the_user(installer: Installer, tmp_path: Path) -> None:
    lines: list[str] = []
    task = make_task(tmp_path, "slipway-no-such-package==99.1\n")

    with pytest.raises(RequirementsUnresolvableError, match=r"slipway-no-such-package") as caught:
        await installer.install(task, line=lines.append)

    assert set(caught.value.lines) <= set(lines)
    assert "\x1b" not in str(caught.value)


async def test_credentials_of_an_index_reach_neither_log_nor_failure(
    installer: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_HOUSE_PASSWORD", "swordfish")
    lines: list[str] = []
    task = make_task(tmp_path, "https://ada:lovelace@127.0.0.1:1/swordfish-1-py3-none-any.whl\n")

    with pytest.raises(RequirementsUnresolvableError) as caught:
        await installer.install(task, line=lines.append)

    told = "\n".join([*lines, *caught.value.lines])
    assert "****-1-py3-none-any.whl" in told
    assert "swordfish" not in told
    assert "lovelace" not in told


async def test_a_source_distribution_is_not_built(installer: Installer, tmp_path: Path) -> None:
    task = make_task(tmp_path, "./pkg\n")
    package = task.source / "pkg"
    package.mkdir()
    (package / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    with pytest.raises(RequirementsUnresolvableError):
        await installer.install(task, line=lambda _: None)

    assert not (tmp_path / "ran").exists()


async def test_a_file_that_is_no_python_does_not_stop_the_installation(
    installer: Installer, tmp_path: Path, make_wheel: MakeWheel
) -> None:
    name, wheel = make_wheel(body="this is {{ a template }}\n")
    task = make_task(tmp_path, f"./{name}\n", **{name: wheel})

    await installer.install(task, line=lambda _: None)

    assert (task.target / "tiny" / "__init__.py").exists()


async def test_cancelling_ends_the_installer(
    installer: Installer, tmp_path: Path, silent_index: SilentIndex
) -> None:
    task = make_task(tmp_path, f"{silent_index.wheel}\n")
    running = asyncio.create_task(installer.install(task, line=lambda _: None))
    await asyncio.wait_for(silent_index.asked.wait(), timeout=10)
    assert children() != []

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert children() == []


async def test_a_user_is_told_of_an_index_that_was_chosen_for_pip_alone(
    installer: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://ada:lovelace@127.0.0.1:1/simple")
    lines: list[str] = []
    task = make_task(tmp_path, "./missing-1-py3-none-any.whl\n")

    with pytest.raises(RequirementsUnresolvableError, match="UV_DEFAULT_INDEX") as caught:
        await installer.install(task, line=lines.append)

    assert lines[0].startswith("notice: PIP_INDEX_URL is set for the builder")
    assert "lovelace" not in "\n".join([*lines, *caught.value.lines])


def test_an_index_that_was_chosen_for_uv_needs_no_word() -> None:
    both = {"PIP_INDEX_URL": "house", "UV_DEFAULT_INDEX": "house"}

    assert unread_indexes(both) == []
    assert unread_indexes({"PIP_TIMEOUT": "1"}) == []
    assert len(unread_indexes(both | {"PIP_EXTRA_INDEX_URL": "other"})) == 1


def test_a_child_knows_nothing_of_the_platform() -> None:
    outer = {
        "PATH": "/bin",
        "HOME": "/root",
        "SLIPWAY_NATS_PASSWORD": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PYTHONPATH": "/elsewhere",
        "UV_INDEX_URL": "index",
        "UV_CACHE_DIR": "/root/.cache/uv",
        "PIP_INDEX_URL": "index",
        "SSL_CERT_FILE": "ca.pem",
        "https_proxy": "proxy",
    }

    environment = build_environment(Path("/work/home"), outer)

    assert environment == {
        "PATH": "/bin",
        "HOME": "/work/home",
        "LANG": "C.UTF-8",
        "UV_INDEX_URL": "index",
        "SSL_CERT_FILE": "ca.pem",
        "https_proxy": "proxy",
    }
