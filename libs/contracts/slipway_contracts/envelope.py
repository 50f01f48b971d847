"""The envelope of every message: CloudEvents 1.0 in binary mode, as NATS headers.

Source of the rules: CloudEvents "NATS protocol binding" 1.0.3-wip (binary mode; values of headers as in the
HTTP binding, 3.1.3.2), and the extensions "Distributed tracing", "Correlation" and "Auth context".
"""

import os
import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import quote, unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.frozen import Frozen

TYPE_PREFIX: Final = "dev.slipway."
_PLAIN: Final = "".join(letter for letter in map(chr, range(0x21, 0x7F)) if letter not in '"%')
_IS_PLAIN: Final = re.compile(r"[!#$&-~]*").fullmatch


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562): ids made later sort later, to the millisecond."""
    raw = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def now() -> datetime:
    """Return the present in UTC."""
    return datetime.now(UTC)


def header_of(value: str) -> str:
    """Return the value of an attribute as a header has it: percent-encoded where it is not plain ASCII."""
    return value if _IS_PLAIN(value) else quote(value, safe=_PLAIN)


def attribute_of(header: str) -> str:
    """Return the value of an attribute of which a header is given.

    What nobody could have encoded like this was written before values were: it is taken as it is.
    """
    if "%" not in header:
        return header
    try:
        return unquote(header, errors="strict")
    except UnicodeDecodeError:
        return header


class MalformedEnvelopeError(ValueError):
    """A message came without the headers that every message of the log carries."""


class Origin(BaseModel):
    """Who asked for what the api says, and from where. A message that nobody asked for has none."""

    model_config = ConfigDict(frozen=True)

    user: str | None = Field(default=None, description="As its key names it; None: nobody known.")
    address: str | None = Field(default=None, description="Of the client, as the api saw it.")
    agent: str | None = Field(default=None, description="`User-Agent`; printable ASCII, cut to 200.")
    request: str = Field(description="`X-Request-Id` of the answer.")

    def to_headers(self) -> dict[str, str]:
        """Return it as CloudEvents attributes in NATS headers."""
        told = {
            "ce-authtype": "unauthenticated" if self.user is None else "user",
            "ce-authid": self.user,
            "ce-clientaddress": self.address,
            "ce-useragent": self.agent,
            "ce-requestid": self.request,
        }
        return {key: header_of(value) for key, value in told.items() if value is not None}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self | None:
        """Read it; None where the message names no request."""
        if "ce-requestid" not in headers:
            return None
        return cls(
            user=_optional(headers, "ce-authid"),
            address=_optional(headers, "ce-clientaddress"),
            agent=_optional(headers, "ce-useragent"),
            request=attribute_of(headers["ce-requestid"]),
        )


class Envelope(Frozen):
    """Who says what about what, when, and because of what."""

    id: str = Field(description="Makes repeats harmless; also the `Nats-Msg-Id`.")
    type: str = Field(description="As in the body, `release.ready.v1`; `dev.slipway.` is added on the wire.")
    source: str = Field(description="The service that says it, as `/slipway/deployer`.")
    subject: str = Field(description="What it is about, as `default/digits`.")
    time: AwareDatetime
    causation_id: str | None = Field(default=None, description="Id of the message that led to this one.")
    correlation_id: str | None = Field(default=None, description="Id of the command that began it all.")
    traceparent: str | None = Field(default=None, description="W3C trace context.")
    origin: Origin | None = Field(default=None, description="Whose request it is; None: nobody's.")

    def to_headers(self) -> dict[str, str]:
        """Return the NATS headers, `Nats-Msg-Id` among them."""
        headers = {
            "Nats-Msg-Id": self.id,
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": TYPE_PREFIX + self.type,
            "ce-source": header_of(self.source),
            "ce-subject": header_of(self.subject),
            "ce-time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
        optional = {
            "ce-causationid": self.causation_id,
            "ce-correlationid": self.correlation_id,
            "traceparent": self.traceparent,
        }
        known = {key: value for key, value in optional.items() if value is not None}
        return headers | known | (self.origin.to_headers() if self.origin else {})

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Read the envelope.

        Raises:
            MalformedEnvelopeError: a required CloudEvents header is missing, empty or not readable.
        """
        try:
            return cls.of_valid(
                id=_told(headers, "ce-id"),
                type=_told(headers, "ce-type").removeprefix(TYPE_PREFIX),
                source=attribute_of(_told(headers, "ce-source")),
                subject=attribute_of(headers["ce-subject"]),
                time=_time(headers["ce-time"]),
                causation_id=headers.get("ce-causationid"),
                correlation_id=headers.get("ce-correlationid"),
                traceparent=headers.get("traceparent"),
                origin=Origin.from_headers(headers),
            )
        except KeyError as missing:
            raise MalformedEnvelopeError(f"the message has no header {missing}") from None
        except ValueError as error:
            raise MalformedEnvelopeError(f"a header of the message is not readable: {error}") from None


def _told(headers: Mapping[str, str], name: str) -> str:
    value = headers[name]
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def _time(header: str) -> datetime:
    time = datetime.fromisoformat(header)
    if time.tzinfo is None:
        raise ValueError(f"the time {header!r} has no zone")
    return time


def _optional(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else attribute_of(value)
