"""Keeps what the last release of the platform promised: `python -m slipway_contracts.released [PATH]`.

The file holds the fields of every message type as they were when the version was raised. What came since may
change freely; what is in it may only grow.
"""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.compatibility import breaks, fields_of

DEFAULT_PATH: Final = Path("libs/contracts/released.json")


class PromiseBrokenError(Exception):
    """A message type of a release was changed in another way than by an optional addition."""


def present() -> dict[str, Any]:
    """Return version and fields of every message type as the code has them."""
    types = {name: fields_of(kind.model_json_schema()) for name, kind in MESSAGE_TYPES.items()}
    return {"version": version("slipway-contracts"), "types": types}


def broken(released: Mapping[str, Any]) -> list[str]:
    """Return what the code breaks of this release, a line each."""
    types = present()["types"]
    return [
        f"{name}: {what}"
        for name, before in released["types"].items()
        for what in breaks(before, types.get(name, {}))
    ]


def write(path: Path) -> None:
    """Let the file be what the code has.

    Raises:
        PromiseBrokenError: with each field; nothing is written.
    """
    lines = broken(json.loads(path.read_text())) if path.exists() else []
    if lines:
        raise PromiseBrokenError("\n".join([*lines, "make a new version of the type beside the old one"]))
    path.write_text(json.dumps(present(), indent=1) + "\n")


def main() -> None:
    """Write the path given, or `libs/contracts/released.json`."""
    try:
        write(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH)
    except PromiseBrokenError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
