"""Looks at a manifest before its source is uploaded: YAML, and the keys that the platform's own schema knows.

It knows no rule of manifests itself, and what it cannot judge it lets pass: the builder has the last word.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from slipway.errors import InvalidInputError

if TYPE_CHECKING:
    import yaml

SLIPWAY_FILE: Final = "slipway.yaml"
VALOHAI_FILE: Final = "valohai.yaml"
MANIFESTS: Final = (SLIPWAY_FILE, VALOHAI_FILE)
_MERGE: Final = "<<"
Schema = Mapping[str, Any]


def check(folder: Path, schema: Schema | None) -> None:
    """Refuse a folder whose manifest the builder would refuse, as far as that shows here.

    Args:
        folder: the source; of one without a manifest nothing is said.
        schema: JSON Schema of manifests, of the platform that will build it; None: it publishes none.

    Raises:
        InvalidInputError: with every problem, each with file and line.
    """
    path = next((folder / name for name in MANIFESTS if (folder / name).is_file()), None)
    if path is None:
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        found = [f"{path}: this is no UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"]
    except OSError as error:
        found = [f"{path} cannot be read: {error.strerror or error}"]
    else:
        found = [f"{path}:{line}: {said}" for line, said in problems(path.name, text, schema)]
    if found:
        hint = "Nothing was uploaded. docs/manifest.md says what goes into it."
        raise InvalidInputError("\n".join(found), hint=hint)


def problems(file: str, text: str, schema: Schema | None) -> Sequence[tuple[int, str]]:
    """Return what is wrong with the text of a manifest, each with its line (from 1), in their order."""
    try:
        import yaml  # noqa: PLC0415 - what is heavy to import waits until a command runs
    except ImportError:
        return ()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return [(mark.line + 1 if mark else 1, f"the YAML cannot be read: {said}")]
    except (yaml.YAMLError, RecursionError) as error:
        return [(1, f"the YAML cannot be read: {error}")]
    return sorted(_Look(schema or {}).at(file, root)) if root is not None else [(1, "the file is empty")]


class _Look:
    """Compares the nodes of a document with a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: Mapping[str, Schema] = schema.get("$defs", {})

    def at(self, file: str, root: "yaml.Node") -> Iterator[tuple[int, str]]:
        """Yield what is wrong with a whole document."""
        if file == SLIPWAY_FILE:
            yield from self._value(root, self._schema, "the manifest")
            return
        if _kind(root) != "sequence":
            yield _line(root), "the manifest is no list; it holds items such as `- endpoint:`"
            return
        endpoint = self._resolved(self._schema.get("properties", {}).get("endpoints", {})).get("items", {})
        for item in root.value:
            for key, child in item.value if _kind(item) == "mapping" else ():
                if key.value == "endpoint":
                    yield from self._value(child, endpoint, "`endpoint`")

    def _value(self, node: "yaml.Node", schema: Schema, name: str) -> Iterator[tuple[int, str]]:
        wanted = self._resolved(schema)
        match wanted.get("type"), _kind(node):
            case "object", "mapping":
                yield from self._mapping(node, wanted)
            case "array", "sequence":
                for each in node.value:
                    yield from self._value(each, wanted.get("items", {}), f"an item of {name}")
            case "object", _ if not _is_nothing(node):
                yield _line(node), f"{name} is no mapping"
            case "array", _ if not _is_nothing(node):
                yield _line(node), f"{name} is no list"
            case _:
                return

    def _mapping(self, node: "yaml.Node", schema: Schema) -> Iterator[tuple[int, str]]:
        known: Mapping[str, Schema] = schema.get("properties", {})
        seen: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            if name in seen:
                yield _line(key), f"the key `{name}` stands here twice"
            seen.add(name)
            if name in known:
                yield from self._value(child, known[name], f"`{name}`")
            elif schema.get("additionalProperties") is False and name != _MERGE:
                yield _line(key), f"unknown key `{name}`; {_nearest(name, known)}"
        if _MERGE not in seen:
            for name in schema.get("required", ()):
                if name not in seen:
                    yield _line(node), f"the key `{name}` is missing"

    def _resolved(self, schema: Schema) -> Schema:
        """Return what a reference names, and of several alternatives the one that is not null."""
        options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
        if len(options) == 1:
            return self._resolved(options[0])
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        return self._resolved(self._known[name]) if name in self._known else schema


def _kind(node: "yaml.Node") -> str:
    """Return `mapping`, `sequence` or `scalar`: the common class of nodes does not declare it."""
    return str(getattr(node, "id", ""))


def _line(node: "yaml.Node") -> int:
    return int(node.start_mark.line) + 1


def _is_nothing(node: "yaml.Node") -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _nearest(name: str, known: Mapping[str, Schema]) -> str:
    by_plain = {each.replace("-", "_").lower(): each for each in known}
    close = difflib.get_close_matches(name.replace("-", "_").lower(), by_plain, n=1, cutoff=0.5)
    return f"did you mean `{by_plain[close[0]]}`?" if close else f"valid keys are {', '.join(known)}"
