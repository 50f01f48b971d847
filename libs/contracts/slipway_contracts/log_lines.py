"""Bodies of the log stream, `SLIPWAY_LOGS`: lines that a build or a replica wrote.

They are no messages of the log: no envelope, no id; a lost line is lost, a repeated one appears twice.
"""

from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

POSITION_HEADER: Final = "Slipway-Log-Position"
"""Where the reader of a replica's log stood behind a message's last line: the next reader goes on there."""


class LogStream(StrEnum):
    """Where a line was written."""

    STDOUT = "stdout"
    STDERR = "stderr"
    BUILD = "build"
    SLIPWAY = "slipway"
    """A remark of the platform, such as where lines were cut."""


class LogLine(BaseModel):
    """One line, without its line break."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime = Field(description="When it was read.")
    stream: LogStream
    text: str


class LogLines(BaseModel):
    """The body of one message: lines of one build or replica in the order in which they were written.

    Published by the builder on `subjects.build_log` and by the monitor on `subjects.replica_log`.
    """

    model_config = ConfigDict(frozen=True)

    lines: tuple[LogLine, ...] = Field(min_length=1)
