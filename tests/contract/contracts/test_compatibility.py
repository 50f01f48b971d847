"""What was sent yesterday is read today, and what is sent today by whoever stayed on yesterday's release."""

import copy
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from slipway_contracts import released
from slipway_contracts.codec import MESSAGE_TYPES, parse
from slipway_contracts.names import derived_id
from slipway_contracts.released import PromiseBrokenError
from slipway_contracts.schemas import schema_of

FOLDER = Path(__file__).parents[3] / "libs" / "contracts"
COMMITTED = sorted((FOLDER / "examples").glob("*.json"))
LEDGER: dict[str, Any] = json.loads((FOLDER / "released.json").read_text())
INSTEAD = {("ReleaseRequest", "version"): {"build": derived_id("build")}}
"""Fields of which one must be there; the schema cannot say so."""


def objects(value: Any, body: Any) -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    """Return every object of a body that is of a model, with the model."""
    match value:
        case BaseModel():
            yield type(value), body
            for name in body.keys() & type(value).model_fields.keys():
                yield from objects(getattr(value, name), body[name])
        case dict():
            for key, each in value.items():
                yield from objects(each, body[key])
        case list() | tuple():
            for each, part in zip(value, body, strict=True):
                yield from objects(each, part)
        case _:
            pass


def read(path: Path) -> tuple[Any, Any]:
    """Return a committed example as a message and as its body."""
    return parse(path.stem, path.read_bytes()), json.loads(path.read_bytes())


def test_the_code_keeps_what_the_last_release_promised() -> None:
    assert released.broken(LEDGER) == []


def test_what_a_release_promises_is_kept_when_its_version_is_raised() -> None:
    assert LEDGER["version"] == version("slipway-contracts"), "run `make released`"


def test_a_broken_promise_is_told_and_never_forgotten(tmp_path: Path) -> None:
    ledger = tmp_path / "released.json"
    known = copy.deepcopy(LEDGER)
    known["types"]["release.ready.v1"]["/color"] = "required string"
    known["types"]["release.glowing.v1"] = {"/release": "required integer"}
    ledger.write_text(json.dumps(known))

    with pytest.raises(PromiseBrokenError) as told:
        released.write(ledger)

    assert "release.ready.v1: /color is gone" in str(told.value)
    assert "release.glowing.v1: /release is gone" in str(told.value)
    assert json.loads(ledger.read_text()) == known


def test_a_release_keeps_all_that_the_code_has(tmp_path: Path) -> None:
    ledger = tmp_path / "released.json"

    released.write(ledger)
    released.write(ledger)

    assert json.loads(ledger.read_text())["types"].keys() == MESSAGE_TYPES.keys()
    assert released.broken(json.loads(ledger.read_text())) == []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_fields_of_tomorrow_are_ignored_wherever_they_are(path: Path) -> None:
    message, body = read(path)
    places = list(objects(message, body))

    for _, place in places:
        place["of_tomorrow"] = {"deep": [1]}

    assert places
    assert parse(path.stem, json.dumps(body).encode()) == message
    Draft202012Validator(json.loads(schema_of(path.stem))).validate(body)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_message_of_before_an_optional_field_is_read(path: Path) -> None:
    message, body = read(path)
    schema = Draft202012Validator(json.loads(schema_of(path.stem)))

    for model, place in objects(message, body):
        optional = {name for name, field in model.model_fields.items() if not field.is_required()}
        for name in optional & place.keys() - {"type"}:
            before = dict(place)
            del place[name]
            place.update(INSTEAD.get((model.__name__, name), {}))

            assert parse(path.stem, json.dumps(body).encode()).type == path.stem
            schema.validate(body)

            place.clear()
            place.update(before)


def test_no_published_schema_forbids_what_it_does_not_know() -> None:
    assert [name for name in MESSAGE_TYPES if '"additionalProperties": false' in schema_of(name)] == []
