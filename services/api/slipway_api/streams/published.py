"""What the platform publishes about its log: the types of its messages, their schemas, the AsyncAPI document.

Made when it is first asked for: a process that nobody asks does not pay for it.
"""

import json
from http import HTTPStatus
from typing import Final

from pydantic import Field
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.manifest import Manifest

from slipway_api.answers.views import View
from slipway_api.refusing.nearest import did_you_mean, nearest
from slipway_api.refusing.problems import ProblemError

MANIFEST: Final = "manifest"
"""Where a type of messages may be asked for, this names the file in a source that says what to build."""


class SchemaNotFoundError(ProblemError):
    """No message has this type."""

    status = HTTPStatus.NOT_FOUND


class MessageType(View):
    """A type of messages of the log."""

    type: str = Field(examples=["release.ready.v1"])
    meaning: str = Field(description="When such a message is sent, and by whom.")
    subject: str = Field(description="Where; names in braces differ from message to message.")
    url: str = Field(description="Path of the JSON Schema of its body.")


def message_types() -> list[MessageType]:
    """Return all types, in the order of the code."""
    from slipway_contracts.flows import flows  # noqa: PLC0415 - makes every example

    return [
        MessageType(
            type=flow.type, meaning=flow.meaning, subject=flow.address, url=f"/v1/schemas/{flow.type}"
        )
        for flow in flows()
    ]


def schema(type_name: str) -> str:
    """Return the JSON Schema of the bodies of this type, or that of `MANIFEST`.

    Raises:
        SchemaNotFoundError: with the type that is like it, if there is one.
    """
    from slipway_contracts.schemas import schema_of  # noqa: PLC0415 - as above

    if type_name == MANIFEST:
        return json.dumps(Manifest.model_json_schema(by_alias=True))
    if type_name not in MESSAGE_TYPES:
        meant = nearest(type_name, MESSAGE_TYPES)
        raise SchemaNotFoundError(
            f"There is no message type {type_name}{did_you_mean(meant) or '.'}",
            hint="List the types with GET /v1/schemas.",
            type_name=type_name,
            nearest=meant,
        )
    return schema_of(type_name)


def asyncapi() -> str:
    """Return the AsyncAPI document."""
    from slipway_contracts.asyncapi import render  # noqa: PLC0415 - as above

    return render()
