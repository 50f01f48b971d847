"""What an engine raises; what happens to replicas is observed, never raised."""

from slipway_chassis.errors import TransientError


class EngineUnavailableError(TransientError):
    """The target did not take the wish: it is down, does not answer, or refuses for now."""


class TargetFullError(EngineUnavailableError):
    """The target has no room for what is wished for: no free port, no space."""
