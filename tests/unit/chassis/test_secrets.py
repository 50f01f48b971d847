"""Sealing secrets: to named recipients only, within bounds, and silent about values and keys."""

import json
from pathlib import Path

import pytest
from slipway_chassis.errors import SecretValueError
from slipway_chassis.secrets import LARGEST_VALUE, Recipients, make_key_pair
from slipway_chassis.settings import SettingsError

CANARY = "canary-4711"


def make_recipients() -> Recipients:
    return Recipients({"deployer": make_key_pair().public, "builder": make_key_pair().public})


def test_a_sealed_value_has_one_box_per_recipient_and_shows_nothing() -> None:
    sealed = make_recipients().seal(CANARY)

    assert set(json.loads(sealed)) == {"deployer", "builder"}
    assert CANARY.encode() not in sealed


def test_sealing_twice_gives_other_bytes_so_that_equal_values_are_not_seen() -> None:
    recipients = make_recipients()

    assert recipients.seal(CANARY) != recipients.seal(CANARY)


def test_a_value_of_the_largest_size_is_sealed() -> None:
    assert make_recipients().seal("x" * LARGEST_VALUE)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (CANARY + "x" * LARGEST_VALUE, "at most 65536"),
        (CANARY + "\0", "NUL"),
        (CANARY + "\ud800", "UTF-8"),
    ],
)
def test_a_value_that_no_replica_could_get_is_refused_without_being_shown(value: str, complaint: str) -> None:
    with pytest.raises(SecretValueError, match=complaint) as caught:
        make_recipients().seal(value)

    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_private_key_is_in_no_text_of_its_pair() -> None:
    pair = make_key_pair()

    assert pair.private.get_secret_value() not in f"{pair!r} {pair} {pair.private!r} {pair.private}"


def test_recipients_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"deployer": make_key_pair().public}))

    assert set(json.loads(Recipients.load(file).seal("x"))) == {"deployer"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read"),
        ("", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"deployer": 1}', "must be a JSON object"),
        ("{}", "names no service"),
        ('{"deployer": "c2hvcnQ="}', "the key of deployer"),
        ('{"deployer": "not base64!"}', "the key of deployer"),
    ],
)
def test_an_unusable_file_of_recipients_names_the_setting(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError, match=f"SLIPWAY_SECRET_KEYS: .*{complaint}"):
        Recipients.load(file)
