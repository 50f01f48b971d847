"""The public keys by which the keys of endpoints are checked, as the api's installation made them."""

import base64
import json
from pathlib import Path
from typing import Any, Final

from slipway_chassis.errors import SlipwayError

_KEY_BYTES: Final = 32


class KeySetUnreadableError(SlipwayError):
    """The file of public keys is missing, no JWKS, or has no key that checks; keys could not be checked."""


def read_key_set(file: Path) -> str:
    """Return a JWKS with an Ed25519 key at least.

    Raises:
        KeySetUnreadableError: the file cannot be read, is none, or has no such key.
    """
    advice = (
        "give the file of the public keys that belong to the api's SLIPWAY_ENDPOINT_KEY_FILE, or unset it"
    )
    try:
        found = file.read_text()
        keys = list(json.loads(found)["keys"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeySetUnreadableError(
            f"SLIPWAY_ENDPOINT_JWKS={file} is no readable JWKS: {advice} ({error})"
        ) from error
    if not any(_is_usable(key) for key in keys):
        raise KeySetUnreadableError(
            f"SLIPWAY_ENDPOINT_JWKS={file} has no usable key among its {len(keys)}: {advice}; a usable one "
            f'has "kty": "OKP", "crv": "Ed25519" and {_KEY_BYTES} bytes as "x" in base64url'
        )
    return found


def _is_usable(key: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether Envoy takes this key of a JWKS (RFC 8037, section 2) for EdDSA."""
    if not isinstance(key, dict) or (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519"):
        return False
    public = key.get("x")
    if key.get("alg", "EdDSA") != "EdDSA" or not isinstance(public, str):
        return False
    try:
        padded = public.rstrip("=") + "=" * (-len(public.rstrip("=")) % 4)
        return len(base64.b64decode(padded, altchars=b"-_", validate=True)) == _KEY_BYTES
    except ValueError:
        return False
