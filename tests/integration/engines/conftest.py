"""A real supervisord as the target of the tests of its engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contract.engines.local_target import LocalTarget


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[LocalTarget]:
    target = LocalTarget(tmp_path)
    yield await target.up()
    await target.clear()
