"""One platform for all end-to-end tests; each uses deployments of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    """`slipway up` in a folder with a space in its name, `slipway down` at the end."""
    with tempfile.TemporaryDirectory(prefix="slipway e2e ") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            yield platform
        finally:
            platform.down()


@pytest.fixture(scope="session")
def serving(platform: RunningPlatform) -> str:
    """The URL of an endpoint that is live; its deployment is `serving`."""
    ran = platform.slipway("deploy", str(FIXTURES / "greeter"), "--name", "serving")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return f"{platform.gateway_url}/default/serving/greet"
