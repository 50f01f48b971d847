"""Client library and command line of the platform; importing it loads neither HTTP nor models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.documents import Configuration, Size
    from slipway.errors import ProblemError, SlipwayError, UnreachableError

__all__ = ["Configuration", "ProblemError", "Size", "Slipway", "SlipwayError", "UnreachableError"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    homes = {"Slipway": "client", "Configuration": "documents", "Size": "documents"}
    if name not in __all__:
        raise AttributeError(f"module 'slipway' has no attribute {name!r}")
    return getattr(import_module(f"slipway.{homes.get(name, 'errors')}"), name)
