"""A service for the tests of the process frame; its argument says what its main does."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

from log_messages import make_outgoing
from opentelemetry.trace import SpanKind
from slipway_chassis.broker import DeadMessage, handle_until, make_broker, subscribe
from slipway_chassis.event_log import After, Stored
from slipway_chassis.logs import get_logger, log_context
from slipway_chassis.process import Service, run_service
from slipway_chassis.settings import ServiceSettings
from slipway_contracts.commands import Stop
from slipway_contracts.topology import DEPLOYER

_log = get_logger()
_LAST_WORK_SECONDS = 0.2


class SampleSettings(ServiceSettings):
    sample_greeting: str = "hello"
    sample_file: Path | None = None


async def idle(service: Service[SampleSettings]) -> None:
    _log.info("working", greeting=service.settings.sample_greeting)
    await service.stopping.wait()
    await asyncio.sleep(_LAST_WORK_SECONDS)
    _log.info("finished in time")


async def stubborn(_service: Service[SampleSettings]) -> None:
    _log.info("working")
    await asyncio.Event().wait()


async def broken(_service: Service[SampleSettings]) -> None:
    raise RuntimeError("the cat ate it")


async def brief(_service: Service[SampleSettings]) -> None:
    _log.info("working")


async def handling(service: Service[SampleSettings]) -> None:
    """Say which deployments are to be stopped, as the deployer is told."""
    broker = make_broker(
        connection=service.connection, telemetry=service.telemetry, metrics=service.metrics, dead=_bury
    )

    @subscribe(broker, DEPLOYER).on(Stop)
    async def on_stop(command: Stop) -> None:
        _log.info("handled", deployment=command.deployment)

    _log.info("working")
    await handle_until(service.stopping, broker, probes=service.probes)


async def _bury(_message: DeadMessage) -> None:
    raise AssertionError("no message is given up here")


async def traced(service: Service[SampleSettings]) -> None:
    """Handle one HTTP request and the message it causes, in one process."""
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with service.telemetry.span("POST /v1/things", kind=SpanKind.SERVER, parent=header):
        with log_context(operation="the-operation"):
            _log.info("serving")
        await service.log.publish(make_outgoing())
        await service.log.publish_batch([make_outgoing(), make_outgoing(deployment="other")])
    async with aclosing(service.log.follow("slipway.>", start=After(0))) as items:
        async for item in items:
            if isinstance(item, Stored):
                with service.telemetry.processing(item.envelope, stream="SLIPWAY"):
                    _log.info("handling")
            else:
                break


MAINS = {main.__name__: main for main in (idle, stubborn, broken, brief, handling, traced)}

if __name__ == "__main__":
    run_service("sample", SampleSettings, MAINS[sys.argv[1]])
