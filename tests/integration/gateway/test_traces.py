"""What a gateway does with a record is told in the trace of whoever wrote it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from gateway_held import make_bad, read_unchecked, serving
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from gateway_world import DeploymentStory
from slipway_chassis.telemetry import configure_telemetry
from slipway_contracts import subjects
from slipway_contracts.envelope import now


class Traced:
    """A gateway whose spans go to a file."""

    def __init__(self, house: GatewayHouse, file: Path) -> None:
        self.house = house
        self._file = file

    def spans(self, name: str, trace: str | None = None) -> list[dict[str, Any]]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        found = [each for each in map(json.loads, lines) if each["name"] == name]
        return [each for each in found if trace in {None, each["context"]["trace_id"].removeprefix("0x")}]

    async def trace_of(self, story: DeploymentStory) -> str:
        """Return the trace of the deployment's last record."""
        stored = await self.house.log.last(subjects.desired("default", story.deployment))
        assert stored is not None
        assert stored.envelope.traceparent is not None
        return stored.envelope.traceparent.split("-")[1]


@pytest.fixture
async def traced(house: GatewayHouse, tmp_path: Path) -> AsyncIterator[Traced]:
    await house.stop()
    house.telemetry = configure_telemetry(service="gateway", instance="test", traces_file=tmp_path / "spans")
    started = now()
    house.start()

    async def is_caught_up() -> bool:
        record = await house.record()
        return record is not None and record.at > started

    # What was in the log before is not told.
    await eventually(is_caught_up)
    yield Traced(house, tmp_path / "spans")
    house.telemetry.close()


async def test_a_switch_is_traced_from_the_record_to_the_confirmation(
    traced: Traced, replicas: list[Replica]
) -> None:
    stories = await serving(traced.house, replicas, ("one",))
    story = stories["one"]
    story.traffic = {2: 100}

    sequence = await traced.house.publish(story.desired)
    await traced.house.applied(sequence)

    trace = await traced.trace_of(story)
    (record,) = traced.spans("process desired", trace)
    (applied,) = traced.spans("apply configuration", trace)
    assert record["kind"] == "SpanKind.CONSUMER"
    assert record["attributes"]["slipway.log.sequence"] == sequence
    assert applied["parent_id"] == record["context"]["span_id"]
    assert record["start_time"] <= applied["start_time"] < applied["end_time"] <= record["end_time"]
    assert applied["status"]["status_code"] == "UNSET"


async def test_what_envoy_refuses_is_a_failed_span_of_that_deployment_alone(
    traced: Traced, replicas: list[Replica]
) -> None:
    await read_unchecked(traced.house)
    stories = await serving(traced.house, replicas, ("one", "bad"))
    await traced.house.publish(make_bad(stories["bad"]))
    for story in stories.values():
        story.traffic = {2: 100}

    sequence = await traced.house.publish(*(story.desired for story in stories.values()))
    record = await traced.house.applied(sequence)

    assert set(record.held) == {"default/bad"}
    status = {
        name: traced.spans("apply configuration", await traced.trace_of(story))[0]["status"]["status_code"]
        for name, story in stories.items()
    }
    assert status == {"one": "UNSET", "bad": "ERROR"}


async def test_records_that_were_there_before_the_start_are_not_told_again(
    traced: Traced, replicas: list[Replica]
) -> None:
    (story,) = (await serving(traced.house, replicas, ("one",))).values()
    trace = await traced.trace_of(story)
    told = len(traced.spans("process desired", trace))

    await traced.house.stop()
    traced.house.start()
    await traced.house.serve(story.desired)

    assert told == 1
    assert len(traced.spans("process desired", trace)) == told


async def test_the_first_answer_is_told_once_where_envoy_counts_answers(
    traced: Traced, replicas: list[Replica]
) -> None:
    house = traced.house
    house.envoy.end()
    house.envoy.start(count_statuses=True)
    await house.envoy.until_up()
    await house.serve()
    (story,) = (await serving(house, replicas, ("one",))).values()

    before = traced.spans("await first answer")
    for _ in range(2):
        assert (await house.get("/default/one/predict"))[0] == 200
    await eventually(lambda: traced.spans("await first answer"))
    assert (await house.get("/default/one/predict"))[0] == 200
    story.traffic = {2: 100}
    await house.serve(story.desired)

    assert before == []
    assert len(traced.spans("await first answer")) == 1
