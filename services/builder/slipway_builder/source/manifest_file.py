"""Reads `slipway.yaml` or `valohai.yaml` of a source into the contracts' manifest.

A manifest that cannot be used says every problem at once, each with file, line, key and the nearest valid
key. It opens no other file: whether the files that it names are there is the build's question.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from slipway_contracts.manifest import (
    Manifest,
    ManifestEndpoint,
    ManifestExpectation,
    ManifestFile,
    ManifestSmokeTest,
)

from slipway_builder.source.yaml_document import BrokenYamlError, Document, Plain, read_document
from slipway_builder.source.yaml_document import Path as KeyPath

SLIPWAY_FILE: Final = "slipway.yaml"
VALOHAI_FILE: Final = "valohai.yaml"
MAX_FILE_BYTES: Final = 1 << 20

_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_BYTES: Final[Mapping[str, int]] = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_PLAIN_TEXT: Final = frozenset({"python", "description", "name", "body"})
_SMOKE_TEST: Final = "smoke-test"
_MESSAGES: Final[Mapping[tuple[str, str], str]] = {
    (
        "name",
        "string_pattern_mismatch",
    ): "a name has 1 to 63 of a-z, 0-9 and -, and no - at its ends",
    ("wsgi", "string_pattern_mismatch"): "must be `module:callable`, as `predict_wsgi:predict_wsgi`",
    ("asgi", "string_pattern_mismatch"): "must be `module:callable`, as `predict_asgi:app`",
    ("health", "string_pattern_mismatch"): "must be a path that begins with `/`",
    ("path", "string_pattern_mismatch"): "must be a path that begins with `/`, in plain ASCII without spaces",
    ("method", "string_pattern_mismatch"): "must be a method in capital letters, as `GET`",
    ("body", "string_type"): "must be text; give a mapping or a list as `json`",
}
_QUANTITY: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")


class ManifestMissingError(Exception):
    """The source has neither of the two manifest files."""

    def __init__(self, present: Iterable[str]) -> None:
        found = ", ".join(sorted(present)[:10]) or "nothing"
        super().__init__(
            f"no {SLIPWAY_FILE} and no {VALOHAI_FILE} at the top of the source; it holds: {found}"
        )


@dataclass(frozen=True, kw_only=True)
class ManifestProblem:
    """One thing that is wrong with a manifest."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class ManifestInvalidError(Exception):
    """A manifest that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[ManifestProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, kw_only=True)
class FoundManifest:
    """A manifest and the name of the file it was read from."""

    file: str
    manifest: Manifest


def read_manifest(folder: Path) -> FoundManifest:
    """Read the manifest at the top of a source; where both files exist, `slipway.yaml` counts.

    Raises:
        ManifestMissingError: neither file exists.
        ManifestInvalidError: the file is too large, no UTF-8, no YAML, or says what no manifest may say.
    """
    for name in (SLIPWAY_FILE, VALOHAI_FILE):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            return FoundManifest(file=name, manifest=parse_manifest(name, _read_text(path, name)))
    raise ManifestMissingError(entry.name for entry in folder.iterdir())


def parse_manifest(file: str, text: str) -> Manifest:
    """Read the text of a manifest; the file's name says which of the two shapes it has.

    Raises:
        ManifestInvalidError: with every problem found.
    """
    try:
        document = read_document(text)
    except BrokenYamlError as error:
        raise ManifestInvalidError(
            [ManifestProblem(file=file, line=error.line, message=f"the YAML cannot be read: {error.message}")]
        ) from error
    return _Check(file, document).manifest()


def _read_text(path: Path, name: str) -> str:
    if path.stat().st_size > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES} bytes"
        raise ManifestInvalidError([ManifestProblem(file=name, line=None, message=message)])
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"the file is no UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise ManifestInvalidError([ManifestProblem(file=name, line=None, message=message)]) from error


class _Check:
    """Collects the problems of one document."""

    def __init__(self, file: str, document: Document) -> None:
        self._file = file
        self._document = document
        self._problems: list[ManifestProblem] = []
        self._places: list[KeyPath] = []

    def manifest(self) -> Manifest:
        content = self._valohai() if self._file == VALOHAI_FILE else self._slipway()
        manifest = self._validated(content) if content else None
        if manifest is None or self._problems:
            raise ManifestInvalidError(sorted(self._problems, key=lambda each: each.line or 0))
        return manifest

    def _slipway(self) -> dict[str, Any]:
        value = self._document.value
        if not isinstance(value, dict):
            self._problem((), "the manifest is no mapping; it begins with `endpoints:` and a list")
            return {}
        content = self._known(value, (), Manifest)
        items = value.get("endpoints")
        if not isinstance(items, list) or not items:
            self._problem(("endpoints",), "`endpoints:` must hold a list of at least one endpoint")
            return {}
        found = [(("endpoints", index), item) for index, item in enumerate(items)]
        return content | {"endpoints": self._endpoints(found)}

    def _valohai(self) -> dict[str, Any]:
        value = self._document.value
        if not isinstance(value, list):
            self._problem((), "the manifest is no list; it holds items such as `- endpoint:`")
            return {}
        found = [
            ((index, "endpoint"), item["endpoint"])
            for index, item in enumerate(value)
            if isinstance(item, dict) and "endpoint" in item
        ]
        if not found:
            self._problem((), "no item of the list is an `- endpoint:`")
            return {}
        return {"endpoints": self._endpoints(found)}

    def _endpoints(self, items: Iterable[tuple[KeyPath, Plain]]) -> list[dict[str, Any]]:
        endpoints = []
        for path, item in items:
            if isinstance(item, dict):
                self._places.append(path)
                endpoints.append(self._endpoint(path, item))
            else:
                self._problem(path, "an endpoint is no mapping; it begins with `name:`")
        return endpoints

    def _endpoint(self, path: KeyPath, item: dict[str, Plain]) -> dict[str, Any]:
        content = self._known(item, path, ManifestEndpoint)
        files = item.get("files")
        if isinstance(files, list):
            content["files"] = [
                self._known(entry, (*path, "files", index), ManifestFile)
                if isinstance(entry, dict)
                else entry
                for index, entry in enumerate(files)
            ]
        self._quantity(content, (*path, "timeout"), _SECONDS)
        self._quantity(content, (*path, "max_body"), _BYTES)
        if isinstance(test := item.get(_SMOKE_TEST), dict):
            content[_SMOKE_TEST] = self._smoke_test((*path, _SMOKE_TEST), test)
        return content

    def _smoke_test(self, path: KeyPath, item: dict[str, Plain]) -> dict[str, Any]:
        content = self._known(item, path, ManifestSmokeTest)
        if isinstance(headers := item.get("headers"), dict):
            texts = self._document.texts
            content["headers"] = {
                name: texts.get((*path, "headers", name), value) for name, value in headers.items()
            }
        if isinstance(expect := item.get("expect"), dict):
            content["expect"] = self._known(expect, (*path, "expect"), ManifestExpectation)
            self._quantity(content["expect"], (*path, "expect", "latency"), _SECONDS)
        return content

    def _known(self, value: Mapping[str, Plain], path: KeyPath, model: type[BaseModel]) -> dict[str, Any]:
        """Return what the model knows; a text that YAML took for a number, as `python: 3.10`, as is."""
        valid = [field.alias or name for name, field in model.model_fields.items()]
        for key in value:
            if key not in valid:
                self._problem((*path, key), f"unknown key `{key}`; {_nearest(key, valid)}")
        texts = self._document.texts
        return {
            key: texts.get((*path, key), each) if key in _PLAIN_TEXT and each is not None else each
            for key, each in value.items()
            if key in valid
        }

    def _quantity(self, content: dict[str, Any], path: KeyPath, units: Mapping[str, float]) -> None:
        key = str(path[-1])
        value = content.get(key)
        if not isinstance(value, str):
            return
        match = _QUANTITY.fullmatch(value)
        factor = units.get(match[2].lower()) if match else None
        if match is not None and factor is not None:
            amount = float(match[1]) * factor
            content[key] = int(amount) if units is _BYTES else amount
        else:
            self._problem(path, f"`{key}: {value}` is no number with one of the units {', '.join(units)}")
            del content[key]

    def _validated(self, content: dict[str, Any]) -> Manifest | None:
        try:
            manifest = Manifest.model_validate(content)
        except ValidationError as error:
            told: set[KeyPath] = set()
            for each in error.errors():
                place = self._place(each["loc"])
                if place not in told and each["type"] != "too_short":
                    self._problem(place, _sentence(each["loc"], each["type"], each["msg"]))
                told.add(place)
            return None
        self._problems.extend(self._duplicates(manifest))
        return None if self._problems else manifest

    def _duplicates(self, manifest: Manifest) -> Iterator[ManifestProblem]:
        names: set[str] = set()
        for number, endpoint in enumerate(manifest.endpoints):
            if endpoint.name in names:
                line = self._document.line_of((*self._places[number], "name"))
                yield ManifestProblem(
                    file=self._file, line=line, message=f"two endpoints are named {endpoint.name}"
                )
            names.add(endpoint.name)

    def _place(self, loc: tuple[int | str, ...]) -> KeyPath:
        match loc:
            case ("endpoints", int(number), *rest):
                return (*self._places[number], *rest)
            case ("requirements", *_):
                return ("requirements",)
            case _:
                return loc

    def _problem(self, path: KeyPath, message: str) -> None:
        self._problems.append(
            ManifestProblem(file=self._file, line=self._document.line_of(path), message=message)
        )


def _nearest(key: str, valid: list[str]) -> str:
    by_plain = {each.replace("-", "_").lower(): each for each in valid}
    close = difflib.get_close_matches(key.replace("-", "_").lower(), by_plain, n=1, cutoff=0.5)
    if close:
        return f"did you mean `{by_plain[close[0]]}`?"
    return f"valid keys are {', '.join(valid)}"


def _sentence(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    keys = [part for part in loc if isinstance(part, str)]
    if not keys or kind == "value_error":
        return message.removeprefix("Value error, ")
    if keys[0] == "requirements":
        return "`requirements`: must be the path of a file or a list of requirements"
    name = ".".join(keys[keys.index(_SMOKE_TEST) :]) if _SMOKE_TEST in keys else keys[-1]
    if kind == "missing":
        return f"the key `{name}` is missing"
    return f"`{name}`: {_MESSAGES.get((keys[-1], kind), message)}"
