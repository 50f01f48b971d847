"""Which way each message goes: its subject, who may send it, which durables it wakes. Read off the code."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc

from slipway_contracts import subjects
from slipway_contracts.codec import MESSAGE_TYPES, AnyMessage
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.topology import CONSUMERS, RIGHTS, ConsumerSpec


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One message type, and where it goes."""

    example: AnyMessage
    address: str
    """The subject; what differs from message to message is a field's name in braces."""

    @property
    def type(self) -> str:
        """The type without its prefix on the wire."""
        return self.example.type

    @property
    def channel(self) -> str:
        """The fixed part of the subject, as `evt.release.ready`; versions of a type share it."""
        return channel_of(self.address)

    @property
    def meaning(self) -> str:
        """The first sentence of the class: when it is sent, and by whom."""
        return re.split(r"(?<=\.)\s", self.description, maxsplit=1)[0]

    @property
    def description(self) -> str:
        """All that the class says of itself."""
        return cleandoc(type(self.example).__doc__ or "")

    @property
    def senders(self) -> tuple[str, ...]:
        """The services that may publish it."""
        return senders_of(self.address)

    @property
    def sender(self) -> str:
        """The one of them that the class names; where it names none, the first."""
        named = (each for each in self.senders if f"mitted by the {each}" in self.description)
        return next(named, self.senders[0])

    @property
    def consumers(self) -> tuple[ConsumerSpec, ...]:
        """The durables that it wakes."""
        return tuple(spec for spec in CONSUMERS if covers(spec.filters, self.address))


@cache
def flows() -> tuple[Flow, ...]:
    """Return the ways of all messages, in the order of the code."""
    examples: dict[str, AnyMessage] = {example.type: example for example in EXAMPLES}
    return tuple(Flow(example=examples[name], address=_address(examples[name])) for name in MESSAGE_TYPES)


def senders_of(address: str) -> tuple[str, ...]:
    """Return the services that may publish on such subjects."""
    return tuple(rights.service for rights in RIGHTS if covers(rights.publish, address))


def covers(filters: Iterable[str], address: str) -> bool:
    """Say whether a filter takes subjects of this form: `*` is one token, `>` the rest, at least one."""
    return any(_covers(each.split("."), address.split(".")) for each in filters)


def parameters_of(address: str) -> tuple[str, ...]:
    """Return the names in braces."""
    return tuple(re.findall(r"\{(\w+)\}", address))


def channel_of(address: str) -> str:
    """Return the fixed tokens behind group and deployment."""
    _, _, _, *rest = address.split(".")
    return ".".join(token for token in rest if not token.startswith("{"))


def _covers(wanted: list[str], tokens: list[str]) -> bool:
    if wanted[-1] == ">":
        begin = wanted[:-1]
        return len(tokens) > len(begin) and _covers([*begin, "*"], tokens[: len(begin) + 1])
    return len(wanted) == len(tokens) and all(
        each in ("*", token) for each, token in zip(wanted, tokens, strict=True)
    )


def _address(example: AnyMessage) -> str:
    names = {name: f"{{{name}}}" for name in type(example).model_fields if name != "type"}
    return subjects.of(example.model_copy(update=names))
