"""What a client of an endpoint meets at the gateway."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from gateway_world import DeploymentStory, make_endpoint
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaState


async def serving(house: GatewayHouse, replica: Replica, **endpoint: Any) -> DeploymentStory:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(**endpoint))
    story.traffic = {1: 100}
    await house.serve(story.desired, story.fact(story.workload(1), address=replica.address))
    return story


@pytest.mark.parametrize(
    ("path", "upstream", "prefix"),
    [
        ("/default/digits/predict", "/", "/default/digits/predict"),
        ("/default/digits/predict/", "/", "/default/digits/predict"),
        ("/default/digits/predict?a=/b", "/?a=/b", "/default/digits/predict"),
        ("/default/digits/predict/v1/x?y=1", "/v1/x?y=1", "/default/digits/predict"),
        ("/default/digits/live/predict/x", "/x", "/default/digits/live/predict"),
        ("/default/digits/20260101.1/predict/x", "/x", "/default/digits/20260101.1/predict"),
    ],
)
async def test_the_prefix_is_stripped_and_handed_on(
    house: GatewayHouse, replicas: list[Replica], path: str, upstream: str, prefix: str
) -> None:
    await serving(house, replicas[0])

    status, told = await house.get(path, headers={"x-forwarded-prefix": "/forged"})

    assert (status, told["path"], told["headers"]["x-forwarded-prefix"]) == (200, upstream, prefix)
    assert told["headers"]["x-request-id"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/", "DeploymentUnknown"),
        ("/default", "DeploymentUnknown"),
        ("/default/digitsx/predict", "DeploymentUnknown"),
        ("/other/digits/predict", "DeploymentUnknown"),
        ("/default/digits", "EndpointUnknown"),
        ("/default/digits/", "EndpointUnknown"),
        ("/default/digits/predictx", "EndpointUnknown"),
        ("/default/digits/live", "EndpointUnknown"),
        ("/default/digits/19990101.1/predict", "EndpointUnknown"),
        ("/default/digits/predict/../nothing", "EndpointUnknown"),
    ],
)
async def test_a_path_that_nobody_has_is_404_and_says_what_there_is(
    house: GatewayHouse, replicas: list[Replica], path: str, reason: str
) -> None:
    await serving(house, replicas[0])

    status, told = await house.get(path)

    assert (status, told["status"], told["reason"], told["type"]) == (
        404,
        404,
        reason,
        f"urn:slipway:problem:{reason}",
    )
    assert told["domain"] == "slipway"
    assert told["hint"]
    assert told["request_id"]
    if reason == "EndpointUnknown":
        assert told["endpoints"] == ["predict"]
        assert "/default/digits/predict" in told["hint"]


async def test_names_that_begin_alike_are_kept_apart(house: GatewayHouse, replicas: list[Replica]) -> None:
    a, b, c = replicas
    short = DeploymentStory(deployment="digit")
    long = DeploymentStory(deployment="digit-s")
    short.add_release(1, make_endpoint("e"), make_endpoint("e-x"))
    long.add_release(1, make_endpoint("e"))
    short.traffic = long.traffic = {1: 100}
    await house.serve(
        *(short.desired, long.desired),
        short.fact(short.workload(1, "e"), address=a.address),
        short.fact(short.workload(1, "e-x"), address=b.address),
        long.fact(long.workload(1, "e"), address=c.address),
    )

    answers = {path: await house.get(path) for path in ("/default/digit/e", "/default/digit/e-x/y")}
    other = await house.get("/default/digit-s/e")
    neither = await house.get("/default/digit-/e")

    assert {path: told["by"] for path, (_, told) in answers.items()} == {
        "/default/digit/e": "a",
        "/default/digit/e-x/y": "b",
    }
    assert other[1]["by"] == "c"
    assert (neither[0], neither[1]["reason"]) == (404, "DeploymentUnknown")


async def test_a_stopped_deployment_is_410_and_a_deleted_one_404(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await serving(house, replicas[0])

    story.wanted = Wanted.STOPPED
    await house.serve(story.desired)
    stopped = await house.get("/default/digits/predict")
    story.wanted = Wanted.DELETED
    await house.serve(story.desired)
    deleted = await house.get("/default/digits/predict")

    assert (stopped[0], stopped[1]["reason"], stopped[1]["deployment"]) == (
        410,
        "DeploymentStopped",
        "digits",
    )
    assert (deleted[0], deleted[1]["reason"]) == (404, "DeploymentUnknown")


async def test_without_a_ready_replica_the_answer_is_503_with_retry_after(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await serving(house, replicas[0])
    gone = story.fact(story.workload(1), state=ReplicaState.EXITED)

    await house.serve(gone)
    async with house.session.get(house.envoy.url + "/default/digits/predict") as answer:
        told = await answer.json(content_type="application/problem+json")

    assert (answer.status, told["reason"], answer.headers["retry-after"]) == (503, "NoReadyReplica", "1")
    assert (told["retry_after_seconds"], told["endpoint"]) == (1, "predict")


async def test_a_replica_that_is_dead_before_it_is_known_to_be_is_a_503_problem(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0])
    await replicas[0].stop()

    status, told = await house.get("/default/digits/predict/x?y=1")

    assert (status, told["reason"], told["instance"]) == (503, "NoReadyReplica", "/default/digits/predict/x")


async def test_an_answer_later_than_the_timeout_is_504(house: GatewayHouse, replicas: list[Replica]) -> None:
    await serving(house, replicas[0], timeout_seconds=0.2)

    status, told = await house.get("/default/digits/predict/sleep?seconds=2")

    assert (status, told["status"], told["reason"]) == (504, 504, "UpstreamTimeout")


async def test_a_connection_that_breaks_is_502_and_is_not_tried_again_unless_idempotent(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0])

    status, told = await house.get("/default/digits/predict/reset", method="POST", data=b"x")

    assert (status, told["reason"], replicas[0].requests["/reset"]) == (502, "UpstreamReset", 1)


async def test_an_idempotent_request_is_sent_again_to_another_replica(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(idempotent=True), replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(
        story.desired,
        story.fact(workload, "0-1", address=replicas[0].address),
        story.fact(workload, "1-1", address=replicas[1].address),
    )

    status, told = await house.get("/default/digits/predict/reset")

    assert (status, told["reason"]) == (502, "UpstreamReset")
    assert replicas[0].requests["/reset"] >= 1
    assert replicas[1].requests["/reset"] >= 1


async def test_an_error_of_the_endpoint_itself_is_not_touched(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0])

    async with house.session.get(house.envoy.url + "/default/digits/predict/own-error") as answer:
        text = await answer.text()

    assert (answer.status, text, answer.headers["x-mine"]) == (503, "my own words", "yes")
    assert answer.content_type == "text/plain"


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_over_the_limit_is_413_whether_its_size_is_announced_or_not(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0], max_body_bytes=1000)
    path = "/default/digits/predict/x"

    announced = await house.get(path, "POST", data=b"x" * 1001)
    unannounced = await house.get(path, "POST", data=chunks(100, 11))
    bodies = (b"x" * 1000, chunks(100, 10), chunks(0, 1), None)
    fitting = [await house.get(path, "POST", data=data) for data in bodies]

    refusals = [(status, told["reason"]) for status, told in (announced, unannounced)]
    assert refusals == [(413, "BodyTooLarge")] * 2
    assert announced[1]["max_body_bytes"] == 1000
    assert [(status, told["bytes"]) for status, told in fitting] == [
        (200, size) for size in (1000, 1000, 0, 0)
    ]


async def test_the_mark_of_a_body_without_a_size_is_the_gateways_own(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0], max_body_bytes=1000)
    mark = {"x-slipway-unannounced": "forged"}
    path = "/default/digits/predict/x"

    plain = await house.get(path, headers=mark)
    large = await house.get(path, "GET", data=chunks(100, 11), headers=mark)
    small = await house.get(path, "GET", data=chunks(100, 1), headers=mark)

    assert (plain[0], large[0], small[0]) == (200, 413, 200)
    assert all("x-slipway-unannounced" not in told["headers"] for _, told in (plain, small))
    assert small[1]["headers"]["content-length"] == "100"


@pytest.mark.parametrize("limit", [None, 1 << 30])
async def test_a_large_body_is_streamed_to_the_replica(
    house: GatewayHouse, replicas: list[Replica], limit: int | None
) -> None:
    await serving(house, replicas[0], max_body_bytes=limit)
    size = 32 << 20

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await asyncio.wait_for(replicas[0].first_chunk.wait(), timeout=10)
        yield b"x" * (size - 1000)

    status, told = await house.get(
        "/default/digits/predict/upload", "POST", data=body(), headers={"content-length": str(size)}
    )

    assert (status, told["method"]) == (200, "POST")


async def test_an_answer_is_streamed_to_the_client(house: GatewayHouse, replicas: list[Replica]) -> None:
    await serving(house, replicas[0])

    async with house.session.get(house.envoy.url + "/default/digits/predict/download") as answer:
        first = await asyncio.wait_for(answer.content.readany(), timeout=10)
        replicas[0].go_on.set()
        rest = await answer.content.read()

    assert (first, rest) == (b"first ", b"last")


async def test_a_websocket_passes_and_outlives_the_timeout(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0], timeout_seconds=0.3, max_body_bytes=1000)

    async with house.session.ws_connect(house.envoy.url + "/default/digits/predict/websocket") as socket:
        await socket.send_str("one")
        first = await socket.receive_str()
        slow, _ = await house.get("/default/digits/predict/sleep?seconds=1")
        await socket.send_str("two")
        second = await socket.receive_str()

    assert (slow, first, second) == (504, "a: one", "a: two")


async def test_what_is_no_http_is_refused_with_a_problem(house: GatewayHouse) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.envoy.port)

    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nlarge: " + b"x" * 100_000 + b"\r\n\r\n")
    answer = await reader.read(10_000)
    writer.close()

    assert b" 431 " in answer.splitlines()[0]
    assert b'"reason":"RequestRefused"' in answer


async def test_an_old_client_of_http_1_0_is_served(house: GatewayHouse, replicas: list[Replica]) -> None:
    await serving(house, replicas[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", house.envoy.port)

    writer.write(b"GET /default/digits/predict/x HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert b" 200 " in answer.splitlines()[0]
    assert b'"by": "a"' in answer
