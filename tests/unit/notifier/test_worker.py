"""Where a worker goes on, and how long it waits."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.names import derived_id
from slipway_contracts.webhooks import WebhookKnown, WebhookProgress
from slipway_notifier.settings import NotifierSettings
from slipway_notifier.worker import Patience, begin

SECONDS = [5, 30, 120, 300]


def make_known(**overrides: Any) -> WebhookKnown:
    configured = WebhookConfigured(
        group="default", webhook=derived_id("webhook"), url="https://x.example", secret=1, by="ada"
    )
    values: dict[str, Any] = {
        "configured": configured,
        "revision": 7,
        "begun": 7,
        "start": 7,
        "created_at": now(),
        "created_by": "ada",
        "changed_at": now(),
    }
    return WebhookKnown(**(values | overrides))


def make_progress(**overrides: Any) -> WebhookProgress:
    values: dict[str, Any] = {
        "begun": 7,
        "revision": 7,
        "position": 20,
        "failures": 3,
        "failing_since": now(),
    }
    return WebhookProgress(**(values | overrides))


@pytest.mark.parametrize("failures", range(1, 15))
def test_waits_are_those_of_the_schedule_a_fifth_longer_or_shorter(failures: int) -> None:
    patience = Patience(
        backoff=NotifierSettings.model_fields["webhook_backoff"].default, limit=timedelta(days=5)
    )
    usual = timedelta(seconds=SECONDS[min(failures, len(SECONDS)) - 1])

    waits = [patience.wait_after(failures, random=Random(seed)) for seed in range(200)]  # noqa: S311

    assert min(waits) >= 0.8 * usual
    assert max(waits) <= 1.2 * usual
    assert len(set(waits)) > 100


def test_the_whole_schedule_fits_into_the_patience() -> None:
    fields = NotifierSettings.model_fields

    assert sum(fields["webhook_backoff"].default, timedelta()) * 1.2 < fields["webhook_patience"].default


def test_a_webhook_without_a_position_begins_where_it_is_configured_to() -> None:
    assert begin(make_known(start=3), None, end=100).position == 3


def test_an_unchanged_webhook_goes_on_with_its_failures() -> None:
    stored = make_progress()

    assert begin(make_known(), stored, end=100) == stored


def test_what_failed_by_our_own_fault_perhaps_is_tried_at_once_by_the_next_notifier() -> None:
    due = now() + timedelta(minutes=5)

    ours = begin(make_known(), make_progress(hindered=2, next_attempt_at=due), end=100)
    its_own = begin(make_known(), make_progress(hindered=2, next_attempt_at=due, failed_at=now()), end=100)

    assert (ours.next_attempt_at, ours.hindered) == (None, 2)
    assert its_own.next_attempt_at == due


def test_a_changed_webhook_goes_on_and_is_tried_at_once() -> None:
    stored = make_progress(next_attempt_at=now() + timedelta(hours=1))

    progress = begin(make_known(revision=9), stored, end=100)

    assert (progress.position, progress.failures) == (20, 0)
    assert progress.failing_since is None
    assert progress.next_attempt_at is None


def test_a_webhook_that_is_sent_back_begins_there() -> None:
    sent_back = make_known(revision=9, begun=9, start=2)
    sent_back = replace(sent_back, configured=sent_back.configured.model_copy(update={"after": 2}))
    changed_later = replace(sent_back, revision=11, configured=make_known().configured)

    for known in (sent_back, changed_later):
        progress = begin(known, make_progress(), end=100)
        assert (progress.position, progress.begun) == (2, 9)


def test_a_webhook_that_looks_new_goes_on_where_its_unreadable_configurations_had_it() -> None:
    progress = begin(make_known(revision=9, begun=9, start=9), make_progress(position=8), end=100)

    assert (progress.position, progress.begun, progress.failures) == (8, 9, 0)


def test_a_position_beyond_the_end_of_a_restored_log_is_cut() -> None:
    assert begin(make_known(), make_progress(position=500), end=100).position == 100
