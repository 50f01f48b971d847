from pathlib import Path

from slipway_standalone.starting_supervisor import log_limit

GIB = 1 << 30


def test_what_the_log_takes_already_counts_on_top_of_what_is_free(tmp_path: Path) -> None:
    empty = log_limit(tmp_path / "store")
    (tmp_path / "store").mkdir()
    with (tmp_path / "store" / "1.blk").open("wb") as block:
        block.truncate(1000 * GIB)

    assert log_limit(tmp_path / "store") > empty
    assert log_limit(tmp_path / "store") > 1000 * GIB


def test_the_limit_never_falls_below_what_the_streams_reserve(tmp_path: Path) -> None:
    assert log_limit(tmp_path / "store") >= 8 * GIB
