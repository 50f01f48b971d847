"""Writes the OpenAPI document: `python -m slipway_api.openapi [PATH]`."""

import json
import sys
from pathlib import Path
from typing import Final

from slipway_api.app import make_routes

DEFAULT_PATH: Final = Path("docs/openapi.json")


def render() -> str:
    """Return the document; the same routes give the same text."""
    return json.dumps(make_routes().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document to the path given, or to `docs/openapi.json`."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
