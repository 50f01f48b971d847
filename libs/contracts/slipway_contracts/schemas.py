"""Writes the JSON Schema of every message, and an example of each that has none yet.

`python -m slipway_contracts.schemas FOLDER`. An example that was committed is never rewritten: what parsed
yesterday must parse today.
"""

import json
import sys
from pathlib import Path

from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.examples import EXAMPLES


def schema_of(type_name: str) -> str:
    """Return the JSON Schema of one message type, as it is committed."""
    schema = MESSAGE_TYPES[type_name].model_json_schema(mode="validation")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema, indent=2) + "\n"


def write(folder: Path) -> None:
    """Write `schemas/<type>.json` and missing `examples/<type>.json` below this folder."""
    for name in ("schemas", "examples"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for type_name in MESSAGE_TYPES:
        (folder / "schemas" / f"{type_name}.json").write_text(schema_of(type_name))
    for message in EXAMPLES:
        example = folder / "examples" / f"{message.type}.json"
        if not example.exists():
            example.write_text(message.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
