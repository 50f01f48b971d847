"""Body bytes to typed messages and back."""

from typing import Annotated, Final, get_args

from pydantic import Field, TypeAdapter, ValidationError

from slipway_contracts.commands import Command
from slipway_contracts.desired import Desired
from slipway_contracts.events import Event
from slipway_contracts.message import Message
from slipway_contracts.replica import ReplicaFact

AnyMessage = Command | Event | Desired | ReplicaFact
MESSAGE_TYPES: Final[dict[str, type[Message]]] = {
    kind.model_fields["type"].default: kind for kind in get_args(AnyMessage)
}
_MOST_TOLD: Final = 3
_OF_THE_TAG: Final = {
    "union_tag_not_found": "it has no `type`",
    "union_tag_invalid": "its own `type` names no message",
}
_ADAPTER: Final[TypeAdapter[AnyMessage]] = TypeAdapter(Annotated[AnyMessage, Field(discriminator="type")])


class UnknownMessageError(ValueError):
    """A body of a type that this release of the platform does not know, or that breaks its own type."""


def encode(message: Message) -> bytes:
    """Return the JSON body."""
    return message.model_dump_json(exclude_defaults=False).encode()


def parse(type_name: str, data: bytes) -> AnyMessage:
    """Read the body of a message whose envelope says `type_name`.

    Raises:
        UnknownMessageError: the type is unknown, or the body is not of that type.
    """
    if type_name not in MESSAGE_TYPES:
        raise UnknownMessageError(f"no message type {type_name!r} is known here; upgrade this service")
    try:
        message = _ADAPTER.validate_json(data)
    except ValidationError as error:
        raise UnknownMessageError(f"the body is no {type_name}: {_told(error, type_name)}") from error
    if message.type != type_name:
        raise UnknownMessageError(f"the envelope says {type_name}, the body {message.type}")
    return message


def _told(error: ValidationError, type_name: str) -> str:
    """Return what is wrong in few words; pydantic's own name every type that there is, and show the body."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    problems = []
    for each in found[:_MOST_TOLD]:
        place = ".".join(str(part) for part in each["loc"] if part != type_name)
        text = _OF_THE_TAG.get(each["type"], each["msg"])
        problems.append(f"{place}: {text}" if place else text)
    more = [f"{len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else []
    return "; ".join([*problems, *more])
