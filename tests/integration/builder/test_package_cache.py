"""The cache of packages stays within its bound, whoever installs meanwhile."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from slipway_builder.installing.dependencies import Installation, Installer
from slipway_builder.installing.host_base import host_base
from slipway_builder.installing.package_cache import PackageCache

MakeWheel = Callable[..., tuple[str, bytes]]


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(base=host_base(), cache=tmp_path / "packages")


def make_task(folder: Path, wheel: tuple[str, bytes]) -> Installation:
    home, target = folder / "home", folder / "target"
    for each in (home, target):
        each.mkdir(parents=True)
    name, content = wheel
    (home / name).write_bytes(content)
    (home / "requirements.txt").write_text(f"{home / name}\n")
    return Installation(
        requirements=home / "requirements.txt", target=target, place="/app", source=home, home=home
    )


def cached(installer: Installer) -> list[Path]:
    return list(installer.cache.rglob("*/tiny/__init__.py"))


async def install(installer: Installer, folder: Path, wheel: tuple[str, bytes]) -> None:
    task = await asyncio.to_thread(make_task, folder, wheel)
    await installer.install(task, line=lambda _: None)


async def test_a_cache_within_its_bound_is_kept(
    installer: Installer, make_wheel: MakeWheel, tmp_path: Path
) -> None:
    await install(installer, tmp_path / "build", make_wheel())

    await PackageCache(folder=installer.cache, most_bytes=10 << 20).tidy()

    assert cached(installer)


async def test_a_cache_beyond_its_bound_is_emptied_and_what_was_installed_stays(
    installer: Installer, make_wheel: MakeWheel, tmp_path: Path
) -> None:
    await install(installer, tmp_path / "build", make_wheel())

    await PackageCache(folder=installer.cache, most_bytes=10).tidy()

    assert not cached(installer)
    assert (tmp_path / "build" / "target" / "tiny" / "__init__.py").exists()


async def test_installing_and_emptying_at_once_both_succeed(
    installer: Installer, make_wheel: MakeWheel, tmp_path: Path
) -> None:
    cache = PackageCache(folder=installer.cache, most_bytes=0)
    await install(installer, tmp_path / "first", make_wheel())

    await asyncio.gather(
        *(install(installer, tmp_path / f"build-{n}", make_wheel(version=f"1.{n}")) for n in range(3)),
        *(cache.tidy() for _ in range(3)),
    )

    assert all((tmp_path / f"build-{n}" / "target" / "tiny" / "__init__.py").exists() for n in range(3))


async def test_a_cache_that_is_not_there_yet_is_no_problem(tmp_path: Path) -> None:
    await PackageCache(folder=tmp_path / "never", most_bytes=0).tidy()

    assert not (tmp_path / "never").exists()
