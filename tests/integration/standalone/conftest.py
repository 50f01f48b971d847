"""Platforms of their own for tests; whatever a test leaves running is ended, and an orphan fails it."""

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.standalone.driver import (
    IS_ROOT,
    PLAIN_USER,
    Installation,
    MakePlatform,
    Platform,
    end,
    plain_installation,
    random_ports,
)


@pytest.fixture(scope="session")
def own_installation() -> Installation:
    return Installation(python=Path(sys.executable))


@pytest.fixture(scope="session")
def plain_user_installation() -> Iterator[Installation]:
    with plain_installation() as installation:
        yield installation


@pytest.fixture(scope="session")
def make_platform(own_installation: Installation) -> Iterator[MakePlatform]:
    """Make platforms whose state path has spaces and lies below a folder that only its owner may search."""
    with ExitStack() as stack:

        def make(installation: Installation = own_installation, name: str = "my state") -> Platform:
            home = Path(tempfile.mkdtemp(dir="/tmp", prefix="home of "))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            if installation.user is not None:
                entry = pwd.getpwnam(installation.user)
                os.chown(home, entry.pw_uid, entry.pw_gid)
            return Platform(state=home / name, installation=installation, ports=random_ports())

        yield make


@pytest.fixture
def platform(make_platform: MakePlatform) -> Iterator[Platform]:
    """A platform of one test, as whoever runs the tests."""
    made = make_platform()
    yield made
    end(made)


@pytest.fixture(scope="module")
def running(make_platform: MakePlatform) -> Iterator[Platform]:
    """A platform of one module whose tests leave it as they found it."""
    made = make_platform()
    made.up()
    yield made
    end(made)


@pytest.fixture(params=["root", "plain user"])
def platform_of_each(
    request: pytest.FixtureRequest, make_platform: MakePlatform, own_installation: Installation
) -> Iterator[Platform]:
    """The same test as root and as a plain user."""
    if request.param == "root" and not IS_ROOT:
        pytest.skip("needs root")
    is_own = request.param == "root"
    made = make_platform(own_installation if is_own else request.getfixturevalue("plain_user_installation"))
    assert made.installation.user == (PLAIN_USER if IS_ROOT and not is_own else None)
    yield made
    end(made)
