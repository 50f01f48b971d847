"""What the users of NATS and Postgres may do, asked of the real servers."""

import asyncio

import asyncpg
import nats
import pytest
from eventually import eventually
from integration.standalone.driver import Platform
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError
from slipway_contracts.topology import CONSUMERS, RIGHTS, inbox_prefix

DESIRED = "slipway.g.d.desired"


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_only_the_deployer_writes_desired_state(running: Platform, service: str) -> None:
    if service == "deployer":
        await publish(running, service, DESIRED)
        return

    with pytest.raises(NatsError):
        await publish(running, service, DESIRED)


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_every_service_reads_the_log_and_none_may_empty_it(running: Platform, service: str) -> None:
    connection = await connected(running, service)
    granted, stream = connection.jetstream(), connection.jetstream(timeout=0.5)

    assert (await granted.stream_info("SLIPWAY")).config.name == "SLIPWAY"
    for consumer in CONSUMERS:
        assert (await granted.consumer_info(consumer.stream, consumer.durable)).name == consumer.durable
    with pytest.raises((NatsError, APIError)):
        await stream.purge_stream("SLIPWAY")
    with pytest.raises((NatsError, APIError)):
        await stream.delete_stream("SLIPWAY")
    await connection.close()


async def test_a_service_takes_no_messages_of_another_ones_durable(running: Platform) -> None:
    connection = await connected(running, "builder")
    foreign = "$JS.API.CONSUMER.MSG.NEXT.SLIPWAY.deployer"

    with pytest.raises(NatsError):
        await connection.request(foreign, b'{"batch": 1, "no_wait": true}', timeout=0.5)
    await connection.close()


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_boxes_of_secrets_are_read_by_their_openers_and_the_api_only(
    running: Platform, service: str
) -> None:
    connection = await connected(running, service)
    request = b'{"last_by_subj": "$KV.secrets.g.token.1"}'

    try:
        answer = await connection.request("$JS.API.STREAM.MSG.GET.KV_secrets", request, timeout=0.5)
        was_answered = b"no message found" in answer.data
    except NatsError:
        was_answered = False

    assert was_answered == (service in {"api", "deployer"})
    await connection.close()


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_no_service_reads_the_answers_to_another(running: Platform, service: str) -> None:
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error))

    connection = await nats.connect(running.nats_url(service), error_cb=note)
    foreign = [inbox_prefix(rights.service) for rights in RIGHTS if rights.service != service]

    for prefix in ("_INBOX", *foreign):
        await connection.subscribe(f"{prefix}.>")
        await connection.flush()

    await eventually(lambda: len(refused) == len(RIGHTS))
    await connection.close()


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_boxes_of_webhooks_are_read_by_the_notifier_and_the_api_only(
    running: Platform, service: str
) -> None:
    connection = await connected(running, service)
    request = b'{"last_by_subj": "$KV.webhook-secrets.g.id.1"}'

    try:
        answer = await connection.request("$JS.API.STREAM.MSG.GET.KV_webhook-secrets", request, timeout=0.5)
        was_answered = b"no message found" in answer.data
    except NatsError:
        was_answered = False

    assert was_answered == (service in {"api", "notifier"})
    await connection.close()


async def test_nats_refuses_whoever_has_no_password(running: Platform) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port("nats"))

    writer.write(b"CONNECT {}\r\nPING\r\n")
    answer = await reader.read()

    assert b"Authorization Violation" in answer
    assert b"PONG" not in answer
    writer.close()
    await writer.wait_closed()


async def test_the_api_reads_what_the_projector_writes_and_changes_only_what_is_its_own(
    running: Platform,
) -> None:
    projector = await asyncpg.connect(running.database_url("slipway_projector"))
    api = await asyncpg.connect(running.database_url("slipway_api"))
    await projector.execute("create schema later; create table later.fact as select 1 as number")

    assert await api.fetchval("select number from later.fact") == 1
    for statement in ("delete from later.fact", "create table later.mine ()", "create table mine ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute(statement)

    await api.execute("create schema own; create table own.note (); drop schema own cascade")
    await projector.execute("drop schema later cascade")
    await projector.close()
    await api.close()


async def test_postgres_refuses_a_wrong_password(running: Platform) -> None:
    url = running.database_url("slipway_projector").replace("slipway_projector:", "slipway_projector:x")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def publish(platform: Platform, service: str, subject: str) -> None:
    connection = await connected(platform, service)
    try:
        await connection.jetstream().publish(subject, b"{}", timeout=0.5)
    finally:
        await connection.close()


async def connected(platform: Platform, service: str) -> Client:
    return await nats.connect(
        platform.nats_url(service), error_cb=ignore, inbox_prefix=inbox_prefix(service).encode()
    )


async def ignore(_error: Exception) -> None:
    """What the server refuses shows as a missing answer."""
