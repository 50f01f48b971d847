"""Log replay in pure `evolve`: the messages of a fleet, folded into the facts of its deployments in memory.

Two figures of the same messages, medians of the rounds: with the decoding of their bodies, and without it.
Prints one JSON line.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import fleet
from slipway_contracts.codec import AnyMessage, encode, parse
from slipway_contracts.evolve import DeploymentFacts, deployment_state, evolve
from slipway_contracts.lifecycle import DeploymentState
from slipway_contracts.message import DeploymentMessage

EVENTS: Final = 200_000
ROUNDS: Final = 3
DEPLOYMENTS: Final = 2_000

Encoded = tuple[str, bytes, datetime]


def fold(messages: Iterable[tuple[AnyMessage, datetime]]) -> dict[tuple[str, str], DeploymentFacts]:
    """Return the facts of every deployment after these messages."""
    known: dict[tuple[str, str], DeploymentFacts] = {}
    for message, at in messages:
        if isinstance(message, DeploymentMessage):
            key = message.group, message.deployment
            facts = known.get(key) or DeploymentFacts.empty(*key)
            known[key] = evolve(facts, message, sequence=facts.sequence + 1, at=at)
    return known


def measure(encoded: Sequence[Encoded]) -> tuple[float, float]:
    """Return events/s with and without decoding."""
    began = time.perf_counter()
    replayed = fold((parse(kind, data), at) for kind, data, at in encoded)
    with_decoding = len(encoded) / (time.perf_counter() - began)
    decoded = [(parse(kind, data), at) for kind, data, at in encoded]
    gc.freeze()
    began = time.perf_counter()
    folded = fold(decoded)
    alone = len(encoded) / (time.perf_counter() - began)
    assert folded == replayed
    states = {deployment_state(facts) for facts in folded.values()}
    assert DeploymentState.DEPLOYED in states, states
    gc.unfreeze()
    return with_decoding, alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="how many are folded")
    options = parser.parse_args()
    encoded = [
        (each.message.type, encode(each.message), each.envelope.time)
        for each in fleet.messages(options.events, deployments=DEPLOYMENTS)
    ]
    rounds = [measure(encoded) for _ in range(ROUNDS)]
    with_decoding, alone = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    figures = {
        "bench": "fold",
        "events": len(encoded),
        "events_per_s": round(with_decoding),
        "events_per_s_decoded": round(alone),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
