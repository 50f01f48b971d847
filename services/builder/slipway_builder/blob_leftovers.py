"""Removes what a process that was killed while it stored a blob left in the folder of unfinished files.

Blobs themselves are not touched.
"""

from datetime import timedelta
from pathlib import Path
from typing import Final

from slipway_chassis.logs import get_logger

_LEFT_FOR: Final = timedelta(days=1)
_log: Final = get_logger()


def remove_leftovers(blob_root: Path, *, at: float) -> None:
    """Remove unfinished files that nobody has touched for a day; `at` is the time in seconds since 1970.

    A file that cannot be removed is named in the service's log and left.
    """
    for path in (blob_root / "tmp").glob("*"):
        try:
            # An unfinished file may be a link to an old one: making the link changes ctime, not mtime.
            if path.stat().st_ctime < at - _LEFT_FOR.total_seconds():
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("an unfinished blob cannot be removed", path=str(path), problem=str(error))
