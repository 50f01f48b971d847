"""Where the projection lies in a database, and which form of it this release reads and writes.

Imports nothing, so that a process can check the schema without loading the migrations.
"""

from typing import Final

SCHEMA: Final = "slipway"
HEAD: Final = "0005"
"""The newest migration; a test compares it with the migrations themselves."""

PROJECTION: Final = 6
"""Grows when the same log folds to other rows: rows of another number must be rebuilt."""
