"""Structured logs on standard error: JSON lines, or coloured text on a terminal.

Every line has service, instance, and the ids of the current trace and operation. Modules take their logger
from here; the standard library's loggers end in the same lines.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Final

from opentelemetry import trace

from slipway_chassis.lean import without

with without("rich"):
    import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def get_logger() -> FilteringBoundLogger:
    """Return a logger: a fact as the event, its details as keywords."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def log_context(**values: str) -> AbstractContextManager[None]:
    """Add these members to every line that is logged inside, also by other modules."""
    return structlog.contextvars.bound_contextvars(**values)


def configure_logging(*, service: str, instance: str, level: str) -> None:
    """Send everything that is logged from `level` on to standard error."""
    shared = _shared_processors(service=service, instance=instance)
    renderer = _renderer(terminal=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # A library's own chatter helps only whoever debugs it.
    root.setLevel(max(_LEVELS[level], _LEVELS["warning"]) if level != "debug" else _LEVELS["debug"])


def _shared_processors(*, service: str, instance: str) -> list[Processor]:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["instance"] = instance
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_process,
        _add_trace,
    ]


def _renderer(*, terminal: bool) -> list[Processor]:
    if terminal:
        return [structlog.dev.ConsoleRenderer(timestamp_key="time")]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(),
    ]


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
