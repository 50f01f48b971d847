"""The engine contract on a real supervisord, in a folder with a space below a 0700 folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contract.engines.engine_contract import EngineContract
from contract.engines.local_target import LocalTarget


class TestSupervisorEngine(EngineContract):
    @pytest.fixture
    async def target(self, tmp_path: Path) -> AsyncIterator[LocalTarget]:
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        folder = private / "with space"
        folder.mkdir()
        target = LocalTarget(folder)
        yield await target.up()
        await target.clear()
