"""The least that a route can do which reserves in Postgres and publishes a command, to compare with.

One path, one validated body, one transaction, one acknowledged publish with nats-py, one answer. The
transaction is that of the product; what it leaves is swept away beside the route. Asks for no key, reads
nothing, refuses nothing, remembers nothing. Its arguments are the port, the server of the log, the database
and the number of deployments.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import nats
import uvicorn
from fastapi import FastAPI
from log_script import Script
from pydantic import BaseModel
from slipway_api.submitting.reservations import SCHEMA, Reservations, ReservationWish
from slipway_contracts import subjects
from slipway_contracts.codec import encode
from slipway_contracts.envelope import new_id
from slipway_contracts.quota import Charge
from slipway_store.connections import open_pool

CHARGE: Final = Charge(deployments=1, replicas=1, cpu=1.0, memory_bytes=1 << 30)


class Body(BaseModel):
    """What is to be deployed."""

    version: str


class Accepted(BaseModel):
    """Where the command is."""

    operation: str
    sequence: int


def name_of(number: int) -> str:
    """Return a deployment that the product does not know: its lanes stay as they are."""
    return f"minimal-{number:04}"


def commands(deployments: int) -> Mapping[str, tuple[str, bytes, dict[str, str]]]:
    """Return, by deployment, a command as it goes over the wire."""
    made: dict[str, tuple[str, bytes, dict[str, str]]] = {}
    for name in map(name_of, range(deployments)):
        script = Script(deployment=name)
        script.deploy()
        outgoing = script.messages[0]
        made[name] = (subjects.of(outgoing.message), encode(outgoing.message), outgoing.envelope.to_headers())
    return made


async def sweep(pool: asyncpg.Pool) -> None:
    """Forget reservations again and again: the route has no second transaction in which to settle its own."""
    while True:
        await asyncio.sleep(0.1)
        if await pool.fetchval("select to_regclass('reservation')") is not None:
            await pool.execute("delete from reservation where deployment like 'minimal-%'")


def make_app(*, nats_url: str, database_url: str, deployments: int) -> FastAPI:
    """Return the application."""
    known = commands(deployments)
    state: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:  # noqa: ANN401 - an async iterator of nothing
        client = await nats.connect(nats_url)
        state["jetstream"] = client.jetstream()
        state["pool"] = await open_pool(database_url, schema=SCHEMA, most=4)
        state["reservations"] = Reservations(pool=state["pool"])
        sweeping = asyncio.create_task(sweep(state["pool"]))
        yield
        sweeping.cancel()
        await state["pool"].close()
        await client.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/groups/{group}/deployments/{deployment}/deploy", status_code=202)
    async def deploy(group: str, deployment: str, body: Body) -> Accepted:
        subject, command, headers = known[deployment]
        identifier = new_id()
        wish = ReservationWish(
            id=new_id(),
            command=identifier,
            group=group,
            deployment=deployment,
            target="local",
            charge=CHARGE,
            behind=len(body.version),
        )
        await state["reservations"].reserve(wish, lambda *_: None, durable=False)
        headers = headers | {"Nats-Msg-Id": identifier, "ce-id": identifier}
        stored = await state["jetstream"].publish(subject, command, headers=headers)
        return Accepted(operation=identifier, sequence=stored.seq)

    return app


if __name__ == "__main__":
    port, nats_url, database_url, deployments = sys.argv[1:]
    uvicorn.run(
        make_app(nats_url=nats_url, database_url=database_url, deployments=int(deployments)),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
