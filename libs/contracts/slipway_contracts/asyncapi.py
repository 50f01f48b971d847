"""Writes the AsyncAPI document of the log: `python -m slipway_contracts.asyncapi [PATH]`.

Channels are subjects, operations what the topology lets services send and which durables wake them. What
AsyncAPI has no words for, JetStream's streams and consumers, stands in extensions `x-jetstream-...`.
Source of the rules: AsyncAPI 3.0.0, and its NATS bindings 0.1.0.
"""

import json
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from slipway_contracts import subjects
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_contracts.flows import Flow, channel_of, covers, flows, parameters_of, senders_of
from slipway_contracts.header_schema import envelope_schema, example_headers
from slipway_contracts.log_lines import POSITION_HEADER, LogLines
from slipway_contracts.topology import LOG, LOG_LINES, STREAMS, ConsumerSpec, StreamSpec

DEFAULT_PATH: Final = Path("docs/asyncapi.json")
_JSON: Final = "application/json"
_BINDINGS: Final = {"nats": {"bindingVersion": "0.1.0"}}
_LOG_LINES: Final = "log-lines"
_KINDS: Final = {
    "cmd": ("command", "Asks a service for something; its id is the id of its operation."),
    "evt": ("event", "Says what happened; one fact each."),
    "desired": ("record", "The full state of what its subject names; the last one is the truth."),
    "replica": ("record", "The full state of what its subject names; the last one is the truth."),
    "log": ("lines", "What a build or a replica wrote; no envelope, no id."),
}
_PARAMETERS: Final = {
    "group": "Name of the group; `_` where a refused request was about none.",
    "deployment": "Id of the deployment.",
    "name": "The name that is claimed.",
    "workload": "Id of the workload.",
    "replica": "Id of the replica.",
    "build": "Id of the build.",
}
_DESCRIPTION: Final = """\
Every command, decision and observation, in one total order: the stream `SLIPWAY` of NATS JetStream. A
message is a CloudEvent 1.0 in binary mode: its attributes are NATS headers `ce-...`, its body is JSON.

Operations are told from the side of the platform's services: what a service may send is what others can
receive. `x-jetstream-consumer` names the durable that wakes a service; projector, gateways and the event
stream of the API follow the log in order from a position of their own, without a durable.

A subscriber from outside has a user that hears what a stream has stored, on the channel's `x-told-address`,
and may publish nothing. `Nats-Sequence` is the message's place in the log, `Nats-Last-Sequence` that of the
message before it on the same subject, 0 for none: one that you have not heard is a gap, and `GET /v1/events`
has the past.

Ignore fields and headers that you do not know. A type only ever gains optional fields, and words where it
lists words; anything else is a new version beside the old, on the same subject.
"""


@cache
def render() -> str:
    """Return the document; the same code gives the same text."""
    return json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"


def _document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "id": "urn:slipway:log",
        "info": {
            "title": "Slipway's log",
            "version": version("slipway-contracts"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {"nats": _server()},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {flow.type: _message(flow) for flow in flows()} | {_LOG_LINES: _lines_message()},
            "schemas": _schemas(),
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "securitySchemes": {"user": {"type": "userPassword", "description": "A user of NATS."}},
        },
        "x-jetstream-streams": {stream.name: _stream(stream) for stream in STREAMS},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": "nats",
        "description": "NATS with JetStream, 2.12 or later; each installation has its own.",
        "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    }


def _stream(spec: StreamSpec) -> dict[str, Any]:
    limits = {
        "max_age_seconds": spec.max_age.total_seconds() if spec.max_age else None,
        "max_bytes": spec.max_bytes,
        "max_messages_per_subject": spec.max_messages_per_subject,
    }
    return {
        "description": spec.description,
        "subjects": list(spec.subjects),
        "storage": "file",
        "duplicate_window_seconds": spec.duplicate_window.total_seconds(),
        "discard": "old" if spec.discard_old else "new",
        "atomic_batches": spec.atomic_batches,
        **({"republish": {"src": subjects.ALL, "dest": subjects.told(subjects.ALL)}} if spec.told else {}),
    } | {name: limit for name, limit in limits.items() if limit is not None}


def _channels() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for flow in flows():
        channel = found.setdefault(flow.channel, _channel(flow.address, LOG))
        channel["messages"][flow.type] = _at("components", "messages", flow.type)
    for address in _line_addresses():
        channel = _channel(address, LOG_LINES)
        channel["messages"][_LOG_LINES] = _at("components", "messages", _LOG_LINES)
        found[channel_of(address)] = channel
    return found


def _channel(address: str, stream: StreamSpec) -> dict[str, Any]:
    parameters = {name: _at("components", "parameters", name) for name in parameters_of(address)}
    return {
        "address": address,
        "messages": {},
        **({"parameters": parameters} if parameters else {}),
        "x-jetstream-stream": stream.name,
        **({"x-told-address": subjects.told(address)} if stream.told else {}),
    }


def _line_addresses() -> tuple[str, str]:
    owner = ("{group}", "{deployment}")
    return subjects.build_log(*owner, "{build}"), subjects.replica_log(*owner, "{workload}", "{replica}")


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for flow in flows():
        for service in flow.senders:
            key, operation = _sending(service, flow.channel)
            found.setdefault(key, operation)["messages"].append(_in_channel(flow.channel, flow.type))
        for consumer in flow.consumers:
            key, operation = _receiving(consumer, flow)
            found.setdefault(key, operation)["messages"].append(_in_channel(flow.channel, flow.type))
    for address in _line_addresses():
        for service in senders_of(address):
            key, operation = _sending(service, channel_of(address))
            found[key] = operation | {"messages": [_in_channel(channel_of(address), _LOG_LINES)]}
    return found


def _sending(service: str, channel: str) -> tuple[str, dict[str, Any]]:
    operation = {
        "action": "send",
        "channel": _at("channels", channel),
        "tags": [{"name": service}],
        "bindings": _BINDINGS,
        "messages": [],
    }
    return f"{service}.send.{channel}", operation


def _receiving(consumer: ConsumerSpec, flow: Flow) -> tuple[str, dict[str, Any]]:
    operation = {
        "action": "receive",
        "channel": _at("channels", flow.channel),
        "tags": [{"name": consumer.service}],
        "bindings": _BINDINGS,
        "messages": [],
        "x-jetstream-consumer": {
            "durable": consumer.durable,
            "stream": consumer.stream,
            "filter_subjects": [each for each in consumer.filters if covers([each], flow.address)],
            "ack_policy": "explicit",
            "ack_wait_seconds": consumer.ack_wait.total_seconds(),
            "max_ack_pending": consumer.max_ack_pending,
            "max_deliver": -1,
        },
    }
    return f"{consumer.durable}.receive.{flow.channel}", operation


def _message(flow: Flow) -> dict[str, Any]:
    kind = _KINDS[flow.channel.split(".")[0]]
    return {
        "name": flow.type,
        "title": type(flow.example).__name__,
        "summary": flow.meaning,
        "description": flow.description,
        "contentType": _JSON,
        "tags": [{"name": kind[0], "description": kind[1]}],
        "correlationId": {
            "description": "Id of the command that began it all.",
            "location": "$message.header#/ce-correlationid",
        },
        "headers": {
            "type": "object",
            "allOf": [_at("components", "schemas", "Envelope")],
            "properties": {"ce-type": {"const": TYPE_PREFIX + flow.type}},
        },
        "payload": _at("components", "schemas", type(flow.example).__name__),
        "examples": [
            {
                "name": flow.type,
                "headers": example_headers(flow.example, flow.sender),
                "payload": flow.example.model_dump(mode="json"),
            }
        ],
    }


def _lines_message() -> dict[str, Any]:
    kind = _KINDS["log"]
    return {
        "name": _LOG_LINES,
        "title": LogLines.__name__,
        "summary": "Lines that a build or a replica wrote, in their order.",
        "contentType": _JSON,
        "tags": [{"name": kind[0], "description": kind[1]}],
        "headers": {
            "type": "object",
            "properties": {POSITION_HEADER: {"type": "string", "description": "Where its reader stood."}},
        },
        "payload": _at("components", "schemas", LogLines.__name__),
    }


def _schemas() -> dict[str, Any]:
    models: Iterable[type[BaseModel]] = (*(type(flow.example) for flow in flows()), LogLines)
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = made["$defs"]
    return {"Envelope": envelope_schema()} | schemas


def _in_channel(channel: str, message: str) -> dict[str, str]:
    return _at("channels", channel, "messages", message)


def _at(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def main() -> None:
    """Write the document to the path given, or to `docs/asyncapi.json`."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
