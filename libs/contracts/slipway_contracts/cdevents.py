"""Messages of the log in the vocabulary of CDEvents 0.5, for whoever reads many platforms. Pure.

A service is a deployment, and its environment the alias that leads to it; an artifact is a version. What has
no meaning in CDEvents is left out; only the test of a webhook, which must be something, is a custom event.
Source of the rules: CDEvents 0.5.1 (`spec.md`, continuous integration, continuous deployment, custom events)
and its CloudEvents binding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from slipway_contracts.envelope import TYPE_PREFIX, Envelope
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildStarted,
    BuildSucceeded,
    ReleaseLive,
    TrafficShifted,
)
from slipway_contracts.message import DeploymentMessage, Message
from slipway_contracts.names import derived_id
from slipway_contracts.traffic import Serving
from slipway_contracts.version import Version
from slipway_contracts.webhook_events import WebhookPinged

SPEC_VERSION: Final = "0.5.1"
CONTENT_TYPE: Final = "application/cdevents+json"
MEANINGFUL: Final = frozenset(
    kind.model_fields["type"].default
    for kind in (BuildStarted, BuildSucceeded, BuildFailed, BuildCanceled, ReleaseLive, TrafficShifted)
)
"""The types of messages that may have a meaning in CDEvents."""
_VERSION_OF_TYPES: Final = "0.3.0"
_PINGED: Final = "dev.cdeventsx.slipway-webhook.pinged.0.1.0"


@dataclass(frozen=True, kw_only=True)
class CDEvent:
    """One event of the vocabulary.

    Attributes:
        context: its id, source, type, time, and the chain it belongs to.
        subject: the service, build or artifact it is about.
        custom: the message that it was made from.
    """

    context: Mapping[str, str]
    subject: Mapping[str, Any]
    custom: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The type with its version, `dev.cdevents.service.deployed.0.3.0`."""
        return self.context["type"]

    @property
    def document(self) -> dict[str, Any]:
        """The event as its JSON Schema describes it."""
        return {
            "context": dict(self.context),
            "subject": dict(self.subject),
            "customData": dict(self.custom),
            "customDataContentType": "application/json",
        }

    def cloud_event(self, **extensions: str) -> dict[str, Any]:
        """Return it inside a structured CloudEvent, as the binding says, with these extension attributes."""
        return {
            "specversion": "1.0",
            "id": self.context["id"],
            "source": self.context["source"],
            "type": self.type,
            "subject": self.subject["id"],
            "time": self.context["timestamp"],
            "datacontenttype": CONTENT_TYPE,
            **extensions,
            "data": self.document,
        }


def rendered(message: Message, envelope: Envelope) -> tuple[CDEvent, ...]:
    """Return what a message means in CDEvents: nothing, one event, or of a built version two.

    The same message gives the same ids, whoever renders it and how often.
    """
    match message:
        case BuildStarted():
            return (_event(message, envelope, "build.started", message.build, {}),)
        case BuildSucceeded():
            artifact = package_url(message.version)
            finished = {"artifactId": artifact}
            return (
                _event(message, envelope, "build.finished", message.build, finished),
                _event(message, envelope, "artifact.published", artifact, {}),
            )
        case BuildFailed() | BuildCanceled():
            return (_event(message, envelope, "build.finished", message.build, {}),)
        case TrafficShifted(shares=()):
            content = _environment(message.alias)
            return (_event(message, envelope, "service.removed", _service(message), content),)
        case ReleaseLive(serving=Serving() as serving) | TrafficShifted(serving=Serving() as serving):
            predicate = _predicate(serving)
            if predicate is None:
                return ()
            content = {
                **_environment(serving.alias),
                "artifactId": _package_url(message, serving.label, serving.version),
            }
            return (_event(message, envelope, f"service.{predicate}", _service(message), content),)
        case WebhookPinged():
            return (_custom(message, envelope, _PINGED, message.webhook),)
        case _:
            return ()


def package_url(version: Version) -> str:
    """Return the package URL by which CDEvents name a version."""
    return _package_url(version, version.label, version.id)


def _package_url(owner: Version | DeploymentMessage, label: str, identifier: str) -> str:
    return f"pkg:generic/{owner.group}/{owner.deployment}@{label}?version_id={identifier}"


def _predicate(serving: Serving) -> str | None:
    if serving.before is None:
        return "deployed"
    if serving.older:
        return "rolledback"
    return "upgraded" if serving.before != serving.version else None


def _service(message: DeploymentMessage) -> str:
    return f"{message.group}/{message.deployment}"


def _environment(alias: str) -> dict[str, Any]:
    return {"environment": {"id": alias}}


def _event(
    message: Message, envelope: Envelope, kind: str, subject: str, content: Mapping[str, Any]
) -> CDEvent:
    identifier, whole = derived_id(envelope.id, kind), f"dev.cdevents.{kind}.{_VERSION_OF_TYPES}"
    return _made(message, envelope, identifier, whole, {"id": subject, "content": dict(content)})


def _custom(message: Message, envelope: Envelope, whole: str, subject: str) -> CDEvent:
    return _made(message, envelope, derived_id(envelope.id, whole), whole, {"id": subject, "content": {}})


def _made(
    message: Message, envelope: Envelope, identifier: str, whole: str, subject: Mapping[str, Any]
) -> CDEvent:
    context = {
        "specversion": SPEC_VERSION,
        "id": identifier,
        "source": envelope.source,
        "type": whole,
        "timestamp": envelope.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    if envelope.correlation_id is not None:
        context["chainId"] = envelope.correlation_id
    return CDEvent(
        context=context,
        subject=subject,
        custom={"type": TYPE_PREFIX + envelope.type, "data": message.model_dump(mode="json")},
    )
