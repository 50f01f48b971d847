"""Filters and subjects by name take the messages that they are named for, and no other."""

from collections.abc import Iterable
from typing import get_args

import pytest
from slipway_contracts import commands, events, installation_events, subjects
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.flows import covers
from slipway_contracts.message import Message

OWNER = ("default", "digits")
BUILD_ENDS = {events.BuildSucceeded, events.BuildFailed, events.BuildCanceled}


def taken(*filters: str) -> set[type[Message]]:
    """Return the types of the examples on subjects of these filters."""
    return {type(example) for example in EXAMPLES if covers(filters, subjects.of(example))}


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        ([subjects.ALL_BUILD_STARTS], {events.BuildStarted}),
        ([subjects.ALL_BUILD_CANCELS], {events.BuildCanceled}),
        (subjects.ALL_BUILD_ENDS, BUILD_ENDS),
        ([subjects.ALL_REMOVAL_COMMANDS], {commands.RemoveVersions}),
        ([subjects.ALL_REMOVED_VERSIONS], {events.VersionRemoved}),
        ([subjects.ADOPTED_ARTIFACTS], {installation_events.ArtifactAdopted}),
        (
            [subjects.TARGET_EVENTS],
            {
                installation_events.TargetAnnounced,
                installation_events.TargetLost,
                installation_events.TargetFound,
            },
        ),
        ([subjects.build_commands(*OWNER)], {commands.Build}),
        ([subjects.successful_builds(*OWNER)], {events.BuildSucceeded}),
        (subjects.build_ends(*OWNER), BUILD_ENDS),
        ([subjects.operation_events(*OWNER)], set(get_args(events.OperationEvent))),
    ],
    ids=lambda value: str(value) if isinstance(value, list | tuple) else "",
)
def test_a_filter_takes_what_it_is_named_for(filters: Iterable[str], kinds: set[type[Message]]) -> None:
    assert taken(*filters) == kinds


def test_what_belongs_to_a_deployment_is_on_its_subjects_alone() -> None:
    other = [
        each for each in EXAMPLES if covers([subjects.deployment("default", "letters")], subjects.of(each))
    ]
    own = taken(subjects.deployment(*OWNER))

    assert other == []
    assert own >= BUILD_ENDS
    assert own.isdisjoint(taken(subjects.INSTALLATION_EVENTS))
