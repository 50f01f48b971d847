"""Writes a file so that a reader meets the old content or the new one, and only this user reads it."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file's content.

    Raises:
        OSError: the disk is full, or the folder is gone.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
