"""What the api and the notifier make of the messages about webhooks."""

from typing import Any

from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookConfigured, WebhookDisabled
from slipway_contracts.names import derived_id
from slipway_contracts.webhook_events import WebhookRemoved
from slipway_contracts.webhooks import WebhookFact, WebhookRegister

ID = derived_id("webhook")


def configured(**overrides: Any) -> WebhookConfigured:
    values = {"group": "default", "webhook": ID, "url": "https://x.example", "secret": 1, "by": "ada"}
    return WebhookConfigured(**(values | overrides))


def disabled(revision: int) -> WebhookDisabled:
    return WebhookDisabled(group="default", webhook=ID, revision=revision, reason="gone", position=1)


def removed(revision: int) -> WebhookRemoved:
    return WebhookRemoved(group="default", webhook=ID, revision=revision, position=1)


def register(*events: tuple[int, WebhookFact]) -> WebhookRegister:
    made = WebhookRegister()
    for sequence, event in events:
        made.take(event, sequence=sequence, at=now())
    return made


def test_a_new_webhook_begins_behind_its_own_message_or_where_it_was_told_to() -> None:
    assert [register((7, configured())).all()[0].start] == [7]
    assert [register((7, configured(after=3))).all()[0].start] == [3]


def test_a_changed_webhook_goes_on_and_one_that_is_sent_back_begins_anew() -> None:
    (changed,) = register((7, configured()), (9, configured(url="https://y.example"))).all()
    (sent_back,) = register((7, configured()), (9, configured(after=2))).all()

    assert (changed.begun, changed.start, changed.revision) == (7, 7, 9)
    assert (sent_back.begun, sent_back.start, sent_back.revision) == (9, 2, 9)


def test_the_notifier_ends_the_configuration_that_it_judged_and_no_later_one() -> None:
    (ended,) = register((7, configured()), (8, disabled(7))).all()
    (mended,) = register((7, configured()), (8, configured(url="https://y.example")), (9, disabled(7))).all()
    (again,) = register((7, configured()), (8, disabled(7)), (9, configured())).all()

    assert not ended.active
    assert mended.active
    assert again.active


def test_a_removed_webhook_is_gone_and_each_belongs_to_one_group_only() -> None:
    gone = register((7, configured()), (8, configured(removed=True)), (9, disabled(8)))
    there = register((7, configured()))

    assert not gone.all()
    assert there.find("default", ID) is not None
    assert there.find("other", ID) is None
    assert there.find(None, ID) is None


def test_a_webhook_whose_receiver_is_gone_is_removed_unless_it_was_changed_before() -> None:
    gone = register((7, configured()), (8, removed(7)))
    changed = register((7, configured()), (8, configured(url="https://y.example")), (9, removed(7)))

    assert not gone.all()
    tombstone = gone.gone("default", ID)
    assert tombstone is not None
    assert (tombstone.configured, tombstone.removed) == (configured(), removed(7))
    assert gone.gone(None, ID) is None
    assert [known.active for known in changed.all()] == [True]
    assert changed.gone("default", ID) is None
