"""Files that only their owner may read, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def opener(path: str, flags: int) -> int:
    """For `open`: a file that it makes is private."""
    return os.open(path, flags, PRIVATE_FILE)


def write(path: Path, text: str) -> None:
    """Replace a file in one step; it is never readable by others. One writer at a time.

    Raises:
        OSError: The disk is full or the folder is not writable; the old content is intact.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(new, "x", opener=opener) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever json can write
    """Replace a JSON file in one step."""
    write(path, json.dumps(content, indent=2) + "\n")
