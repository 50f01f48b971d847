"""Writes the table of all messages: `python -m slipway_contracts.event_table [PATH]`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from slipway_contracts.flows import Flow, flows
from slipway_contracts.header_schema import envelope_schema

DEFAULT_PATH: Final = Path("docs/events.md")
_FOLDER: Final = "../libs/contracts"
_IN_SUBJECT: Final = frozenset({"type", "group", "deployment"})
_HEAD: Final = """\
# Messages of the log

Made from the code by `make contracts`. The same contract for programs is [asyncapi.json](asyncapi.json), with
JSON Schemas of every field; a running api serves both, at `/asyncapi.json` and `/v1/schemas/{type}`.

## All messages

"From" is who may publish it, "wakes" the durable consumer of a service. Every body also has `type`, and
`group` and `deployment` where its subject names them; a field with `?` may be absent.

| type | when | from | wakes | subject | fields | |
|---|---|---|---|---|---|---|
"""
_HEADERS: Final = """
## Headers

Every message is a CloudEvent 1.0 in binary mode: a JSON body with these NATS headers. One with `?` may be
absent.

| header | |
|---|---|
"""


def render() -> str:
    """Return the page; the same code gives the same text."""
    headers = envelope_schema()
    required = headers["required"]
    told = (_header(name, schema, name in required) for name, schema in headers["properties"].items())
    return _HEAD + "".join(map(_row, flows())) + _HEADERS + "".join(told)


def _row(flow: Flow) -> str:
    links = (
        f"[{name}]({_FOLDER}/{folder}/{flow.type}.json)"
        for name, folder in (("example", "examples"), ("schema", "schemas"))
    )
    cells = (
        f"`{flow.type}`",
        flow.meaning,
        ", ".join(flow.senders),
        ", ".join(consumer.durable for consumer in flow.consumers),
        f"`{flow.address}`",
        "<br>".join(_fields(flow)),
        " ".join(links),
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _fields(flow: Flow) -> Iterator[str]:
    schema = type(flow.example).model_json_schema()
    known = schema.get("$defs", {})
    for name, field in schema["properties"].items():
        if name in _IN_SUBJECT:
            continue
        mark = "" if name in schema.get("required", ()) else "?"
        described = f": {field['description']}" if "description" in field else ""
        yield f"`{name}`{mark} {_kind(field, known)}{described}"


def _kind(schema: dict[str, Any], known: dict[str, Any]) -> str:
    match schema:
        case {"$ref": reference}:
            name = str(reference).rsplit("/", maxsplit=1)[-1]
            return _kind(known[name], known) if "enum" in known[name] else name
        case {"anyOf": choices}:
            return " or ".join(_kind(choice, known) for choice in choices)
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"const": word}:
            return f"`{word}`"
        case {"type": "array", "items": items}:
            return f"list of {_kind(items, known)}"
        case {"type": "object", "additionalProperties": dict() as values} if values:
            return f"map to {_kind(values, known)}"
        case {"type": "object", "patternProperties": patterns}:
            return f"map to {_kind(next(iter(patterns.values())), known)}"
        case {"format": "date-time"}:
            return "time"
        case _:
            return str(schema.get("type", "anything"))


def _header(name: str, schema: dict[str, Any], required: bool) -> str:
    told = schema.get("description") or f"`{schema['const']}`"
    return f"| `{name}`{'' if required else '?'} | {told} |\n"


def main() -> None:
    """Write the page to the path given, or to `docs/events.md`."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
