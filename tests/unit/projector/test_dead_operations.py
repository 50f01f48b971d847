"""A command that cannot be read has an operation all the same, which FAILED."""

from typing import Any

import pytest
from log_script import START
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import encode
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import MessageDead
from slipway_contracts.failure import Reason
from slipway_contracts.lifecycle import OperationState
from slipway_contracts.names import derived_id
from slipway_projector.logged import read
from slipway_store.folding import touches
from slipway_store.records import OPERATION
from slipway_store.rows import OperationRow

ID = derived_id("command")


def folded(before: OperationRow | None = None, **overrides: Any) -> OperationRow | None:
    values: dict[str, Any] = {
        "group": "default",
        "deployment": "digits",
        "service": "builder",
        "sequence": 7,
        "message_id": ID,
        "message_type": "command.cancel-build.v1",
        "deliveries": 1,
        "error": "no JSON",
    }
    dead = MessageDead(**values | overrides)
    envelope = Envelope(id="e", type=dead.type, source="/test", subject="default/digits", time=START)
    stored = Stored(subjects.of(dead), 9, START, envelope.to_headers(), encode(dead))
    (touch,) = touches(read(stored))
    assert (touch.record, touch.key) == (OPERATION, (ID,))
    row: OperationRow | None = touch.fold(before)
    return row


def test_its_end_names_the_message() -> None:
    row = folded()

    assert row is not None
    assert row.failure is not None
    assert (row.id, row.kind, row.state, row.accepted) == (ID, "cancel-build", OperationState.FAILED, 7)
    assert row.failure.reason is Reason.MESSAGE_DEAD
    assert "slipway dead show 7" in row.failure.hint
    assert (row.created_at, row.ended_at, row.sequence) == (START, START, 9)


def test_an_operation_that_there_is_stays_as_it_is() -> None:
    row = folded()

    assert row is not None
    known = row.model_copy(update={"state": OperationState.SUCCEEDED})
    assert folded(known) is known


@pytest.mark.parametrize("kind", ["replica.v1", "build.failed.v1", "unknown", "command.remove-versions.v1"])
def test_what_no_user_asked_for_has_none(kind: str) -> None:
    assert folded(message_type=kind) is None
