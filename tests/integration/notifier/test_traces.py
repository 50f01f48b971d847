"""Each attempt to deliver is a span in the trace of what happened."""

import json
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from slipway_chassis.event_log import Outgoing
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import ReleaseReady
from webhook_world import Receiver, WebhookWorld

TRACE = "a" * 32
PARENT = "b" * 16


def attempts(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [each for each in map(json.loads, lines) if each["name"] == "POST webhook"]


async def happen_traced(world: WebhookWorld) -> None:
    message = ReleaseReady(group="default", deployment="digits", release=1)
    envelope = Envelope(
        id=new_id(),
        type=message.type,
        source="/slipway/test",
        subject="default/digits",
        time=now(),
        traceparent=f"00-{TRACE}-{PARENT}-01",
    )
    await world.log.publish(Outgoing(subject=subjects.of(message), message=message, envelope=envelope))


@pytest.mark.parametrize(("status", "told"), [(204, "UNSET"), (500, "ERROR")])
async def test_an_attempt_is_a_client_span_whose_trace_the_receiver_gets(
    world: WebhookWorld, receiver: Receiver, tmp_path: Path, status: int, told: str
) -> None:
    spans = tmp_path / "spans"
    receiver.status = status
    await world.hook(receiver.url)
    notifier = await world.start(traces_file=str(spans), webhook_backoff="[60]")
    await eventually(notifier.is_active)

    await happen_traced(world)
    await eventually(lambda: receiver.asked)
    await eventually(lambda: attempts(spans))

    (span,) = attempts(spans)
    port = int(receiver.url.split(":")[2].split("/")[0])
    assert (span["kind"], span["context"]["trace_id"]) == ("SpanKind.CLIENT", f"0x{TRACE}")
    assert span["attributes"] == {
        "slipway.message.type": "release.ready.v1",
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": status,
        **({"error.type": "500"} if status == 500 else {}),
    }
    assert span["status"]["status_code"] == told
    own = span["context"]["span_id"].removeprefix("0x")
    assert receiver.asked[0].headers["traceparent"] == f"00-{TRACE}-{own}-01"


async def test_an_attempt_that_reaches_nobody_says_why(world: WebhookWorld, tmp_path: Path) -> None:
    spans = tmp_path / "spans"
    await world.hook("http://127.0.0.1:1/token")
    await world.start(traces_file=str(spans), webhook_backoff="[60]")

    await happen_traced(world)
    await eventually(lambda: attempts(spans))

    span = attempts(spans)[0]
    assert span["status"]["status_code"] == "ERROR"
    assert span["attributes"]["error.type"] == "unreachable"
    assert "token" not in json.dumps(span)
