"""Makes the engine of a target; imports only the adapter that is asked for."""

from typing import Literal, assert_never

from slipway_engines.engine import Engine
from slipway_engines.supervisor.settings import SupervisorSettings

EngineKind = Literal["supervisor"]


def make_engine(kind: EngineKind, settings: SupervisorSettings) -> Engine:
    """Return an engine; it touches nothing before its first use."""
    match kind:
        case "supervisor":
            from slipway_engines.supervisor.adapter import SupervisorEngine  # noqa: PLC0415

            return SupervisorEngine(settings=settings)
        case _:
            assert_never(kind)
