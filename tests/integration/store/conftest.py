import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import PostgresServer


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres of this test alone, without tables, to be killed at will."""
    with tempfile.TemporaryDirectory(prefix="slipway-own-postgres-") as name:
        Path(name).chmod(0o755)
        server = PostgresServer(Path(name))
        server.create()
        server.start()
        yield server
        server.stop()
