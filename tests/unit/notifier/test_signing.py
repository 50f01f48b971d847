"""Signatures, checked by the reference implementation of Standard Webhooks and by its published example."""

import json
import time
from base64 import b64encode

import pytest
from slipway_notifier.signing import signatures, signing_key
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def secret(filler: bytes) -> str:
    return f"whsec_{b64encode(filler * 32).decode()}"


def test_the_example_of_the_reference_implementation_is_signed_alike() -> None:
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = signatures(
        [key], message="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [{"name": "Größe ✓"}, {}, ["a", 1.5, None]])
def test_whoever_has_one_of_the_secrets_can_verify(body: object) -> None:
    data, now = json.dumps(body, ensure_ascii=False).encode(), int(time.time())
    keys = [signing_key(secret(b"a")), signing_key(secret(b"b"))]
    headers = {
        "webhook-id": "id",
        "webhook-timestamp": str(now),
        "webhook-signature": signatures(keys, message="id", timestamp=now, body=data),
    }

    for filler in (b"a", b"b"):
        assert Webhook(secret(filler)).verify(data, headers) == body
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(b"c")).verify(data, headers)


def test_what_is_no_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="no base64") as refused:
        signing_key("whsec_canary!")

    assert "canary" not in str(refused.value)
