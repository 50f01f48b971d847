"""Reads one YAML file into plain values and remembers on which line each of them stands.

It builds nothing but strings, numbers, booleans, lists and mappings, and bounds what aliases may expand to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

MAX_VALUES: Final = 10_000
MAX_DEPTH: Final = 32

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
Path = tuple[str | int, ...]


class BrokenYamlError(ValueError):
    """The text is no YAML document that a manifest could be."""

    def __init__(self, message: str, *, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Document:
    """A YAML document as plain values; by path, the line (from 1) of each and the text of each scalar."""

    value: Plain
    lines: dict[Path, int]
    texts: dict[Path, str]

    def line_of(self, path: Path) -> int:
        """Return the line of this value, or of the closest one around it that has a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass
class _Reader:
    loader: yaml.SafeLoader
    lines: dict[Path, int] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    values: int = 0

    def read(self, node: yaml.Node, path: Path) -> Plain:
        self._count(node, path)
        self.lines.setdefault(path, _line(node))
        match node:
            case yaml.MappingNode():
                return {key: self.read(child, (*path, key)) for key, child in self._items(node, path)}
            case yaml.SequenceNode():
                return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
            case _:
                self.texts[path] = str(node.value)
                return self._scalar(node)

    def _count(self, node: yaml.Node, path: Path) -> None:
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise BrokenYamlError(
                f"the document holds more than {MAX_VALUES} values or {MAX_DEPTH} levels", line=_line(node)
            )

    def _items(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        self.loader.flatten_mapping(node)
        seen: set[str] = set()
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise BrokenYamlError("a key is no plain text", line=_line(key_node))
            key = str(key_node.value)
            if key in seen:
                raise BrokenYamlError(f"the key {key!r} stands here twice", line=_line(key_node))
            seen.add(key)
            self.lines[(*path, key)] = _line(key_node)
            yield key, child

    def _scalar(self, node: yaml.Node) -> Plain:
        try:
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise BrokenYamlError(f"cannot read {node.value!r}: {error}", line=_line(node)) from error
        plain = isinstance(value, str | int | float | bool) or value is None
        return value if plain else str(node.value)


def read_document(text: str) -> Document:
    """Read the first and only document of `text`.

    Raises:
        BrokenYamlError: it is no YAML, holds more than one document or too many values, repeats a key, or
            uses a tag that stands for more than plain values.
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            reader = _Reader(loader)
            value = None if root is None else reader.read(root, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        raise BrokenYamlError(message, line=mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise BrokenYamlError(str(error), line=None) from error
    except RecursionError as error:
        raise BrokenYamlError(f"the document is nested deeper than {MAX_DEPTH} levels", line=None) from error
    return Document(value=value, lines=reader.lines, texts=reader.texts)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
