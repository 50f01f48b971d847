import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from slipway_contracts.codec import MESSAGE_TYPES, encode, parse
from slipway_contracts.schemas import schema_of

FOLDER = Path(__file__).parents[3] / "libs" / "contracts"
COMMITTED = sorted((FOLDER / "examples").glob("*.json"))


def test_every_message_has_a_schema_and_an_example() -> None:
    schemas = {path.stem for path in (FOLDER / "schemas").glob("*.json")}

    assert schemas == set(MESSAGE_TYPES)
    assert set(MESSAGE_TYPES) <= {path.stem for path in COMMITTED}


@pytest.mark.parametrize("type_name", sorted(MESSAGE_TYPES))
def test_the_committed_schema_is_that_of_the_code(type_name: str) -> None:
    committed = (FOLDER / "schemas" / f"{type_name}.json").read_text()

    assert committed == schema_of(type_name), "run `make contracts`"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_yesterdays_example_still_parses_and_obeys_its_schema(path: Path) -> None:
    body = path.read_bytes()
    schema = json.loads((FOLDER / "schemas" / path.name).read_text())

    message = parse(path.stem, body)

    assert parse(path.stem, encode(message)) == message
    Draft202012Validator(schema).validate(json.loads(body))
