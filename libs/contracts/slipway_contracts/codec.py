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
        raise UnknownMessageError(f"the body is no {type_name}: {error}") from error
    if message.type != type_name:
        raise UnknownMessageError(f"the envelope says {type_name}, the body {message.type}")
    return message
