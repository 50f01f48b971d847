"""Signatures of deliveries. Source of the rules: Standard Webhooks 1.0.0, symmetric signatures (`v1`)."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"


def signing_key(secret: str) -> bytes:
    """Return the bytes of a secret that is written as `whsec_…`.

    Raises:
        ValueError: it is none; the message does not show it.
    """
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise ValueError("the stored secret is no base64") from None


def signatures(keys: Sequence[bytes], *, message: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature of each key, so that a receiver may know either.

    Args:
        keys: at least one.
        message: value of `webhook-id`.
        timestamp: value of `webhook-timestamp`, in seconds.
        body: the bytes that are sent.
    """
    content = f"{message}.{timestamp}.".encode() + body
    made = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{b64encode(each).decode()}" for each in made)
