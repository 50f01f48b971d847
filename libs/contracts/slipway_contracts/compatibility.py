"""What a change of a message type breaks, told by its JSON Schemas of yesterday and today.

Whoever reads a type today must be able to read what was sent yesterday, and the other way round. So a field
stays as it is, and what is new may be absent. A list of words may become longer: whoever reads it is upgraded
before whoever says a new one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Fields = Mapping[str, str]
"""The fields of a type by path: whether they are required, and what they hold."""

_REMARKS: Final = frozenset({"$defs", "$schema", "title", "description", "examples", "deprecated"})
_INSIDE: Final = frozenset(
    {"properties", "required", "items", "additionalProperties", "patternProperties", "anyOf", "enum", "const"}
)
_MAY_BE_NEW: Final = ("optional", "word")


def fields_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a type, those inside others too; remarks are left out.

    A path is like a JSON pointer; `*` stands for the items of a list or the values of a map, `=word` for a
    word that may stand there.
    """
    return dict(_inside("", schema, schema.get("$defs", {})))


def breaks(before: Fields, after: Fields) -> list[str]:
    """Return what a reader or a sender of yesterday would stumble over, a sentence each."""
    gone = [f"{path} is gone" for path in before if path not in after]
    changed = [
        f"{path} was {before[path]} and is {shape}"
        for path, shape in after.items()
        if before.get(path, shape) != shape
    ]
    required = [
        f"{path} is new and may not be absent"
        for path, shape in after.items()
        if path not in before and _parent(path) in {"", *before} and not shape.startswith(_MAY_BE_NEW)
    ]
    return gone + changed + required


def _inside(path: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield from _field(f"{path}/{name}", "required" if name in required else "optional", field, known)
    for values in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(values, dict):
            yield from _field(f"{path}/*", "each", values, known)
    for values in schema.get("patternProperties", {}).values():
        yield from _field(f"{path}/*", "each", values, known)
    for word in _words(schema):
        yield f"{path}={word}", "word"
    for choice in schema.get("anyOf", ()):
        yield from _inside(path, _resolved(choice, known), known)


def _field(
    path: str, presence: str, schema: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    resolved = _resolved(schema, known)
    yield path, f"{presence} {_shape(resolved, known)}".strip()
    yield from _inside(path, resolved, known)


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return dict(schema)
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**known[schema["$ref"].removeprefix("#/$defs/")], **beside}


def _shape(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    shape = {key: value for key, value in schema.items() if key not in _REMARKS | _INSIDE}
    if isinstance(shape.get("default"), dict):
        del shape["default"]  # that of an object follows from those of its fields
    if "patternProperties" in schema:
        shape["keys"] = " ".join(schema["patternProperties"])
    told = [str(shape.pop("type", "")), *(f"{key}={value}" for key, value in sorted(shape.items()))]
    if _words(schema):
        told.append("words")
    choices = [_shape(_resolved(choice, known), known) for choice in schema.get("anyOf", ())]
    return " ".join(part for part in (*told, " or ".join(choices)) if part)


def _words(schema: Mapping[str, Any]) -> list[str]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _parent(path: str) -> str:
    return path.rsplit("=" if "=" in path else "/", maxsplit=1)[0]
