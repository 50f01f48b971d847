"""The file of public keys is refused at the start where no key could be checked by it."""

import json
from pathlib import Path
from typing import Any

import pytest
from gateway_access import Issuer
from slipway_gateway.key_set import KeySetUnreadableError, read_key_set

GOOD: dict[str, Any] = json.loads(Issuer().key_set)["keys"][0]


def written(folder: Path, *keys: Any) -> Path:
    file = folder / "jwks.json"
    file.write_text(json.dumps({"keys": keys}))
    return file


@pytest.mark.parametrize("key", [GOOD, {name: GOOD[name] for name in ("kty", "crv", "x")}])
def test_one_usable_key_is_enough(tmp_path: Path, key: dict[str, Any]) -> None:
    file = written(tmp_path, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, key)

    assert read_key_set(file) == file.read_text()


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        GOOD | {"kty": "EC"},
        GOOD | {"crv": "X25519"},
        GOOD | {"alg": "RS256"},
        GOOD | {"x": GOOD["x"][:-4]},
        GOOD | {"x": GOOD["x"] + "AAAA"},
        GOOD | {"x": "no base64url, but long enough for that?!???"},
        GOOD | {"x": 1},
        {name: value for name, value in GOOD.items() if name != "x"},
        "a key",
        None,
    ],
)
def test_a_set_without_a_usable_key_is_named_with_what_to_give(tmp_path: Path, key: Any) -> None:
    file = written(tmp_path, key)

    with pytest.raises(KeySetUnreadableError) as refused:
        read_key_set(file)

    told = str(refused.value)
    assert f"SLIPWAY_ENDPOINT_JWKS={file} has no usable key among its 1" in told
    assert "SLIPWAY_ENDPOINT_KEY_FILE" in told
    assert "Ed25519" in told


def test_an_empty_set_and_a_missing_file_are_refused_too(tmp_path: Path) -> None:
    with pytest.raises(KeySetUnreadableError, match="no usable key among its 0"):
        read_key_set(written(tmp_path))
    with pytest.raises(KeySetUnreadableError, match="no readable JWKS"):
        read_key_set(tmp_path / "nowhere.json")
