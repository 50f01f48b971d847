"""What an engine for this machine is told about its surroundings."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

LONGEST_SOCKET_PATH: Final = 107


def base_python() -> Path:
    """Return the interpreter outside of any virtual environment."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _fits_a_socket(path: Path) -> Path:
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"{path} is longer than the {LONGEST_SOCKET_PATH} bytes that a socket's path may have; "
            "let supervisord listen in a shorter folder, such as one below /tmp"
        )
    return path


def _fits_a_config_file(path: Path) -> Path:
    """Refuse what supervisord takes for a comment: what follows a space and `;` or `#`."""
    text = str(path)
    if " ;" in text or " #" in text or not text.isprintable():
        raise ValueError(
            f"{path!r} cannot stand in a supervisord configuration; choose a folder without ' ;', ' #'"
        )
    return path


class SupervisorSettings(BaseModel):
    """Settings of the engine that runs replicas under a supervisord of this machine."""

    model_config = ConfigDict(frozen=True)

    installation: str = Field(
        pattern=r"^[a-z0-9-]{1,40}$",
        description="Id of this installation; everything that is made carries it.",
    )
    folder: Annotated[Path, AfterValidator(_fits_a_config_file)] = Field(
        description="Folder of the engine's files; made when missing."
    )
    socket: Annotated[Path, AfterValidator(_fits_a_socket)] = Field(
        description="supervisord's unix socket, at most 107 bytes long."
    )
    username: str | None = Field(
        default=None, description="Of supervisord's unix_http_server, where it asks."
    )
    password: SecretStr | None = None
    runtime_folder: Path | None = Field(
        default=None,
        description="Folder on a tmpfs, for secrets; None: XDG_RUNTIME_DIR where it is one, else /dev/shm.",
    )
    blob_root: Path = Field(description="Folder of the blob store that holds the images.")
    python: Annotated[Path, AfterValidator(_fits_a_config_file)] = Field(
        default_factory=base_python,
        description="Interpreter of launchers and replicas; no virtual environment.",
    )
    first_port: int = Field(default=20000, ge=1024, le=65535)
    last_port: int = Field(
        default=29999, ge=1024, le=65535, description="Below what the system gives to outgoing connections."
    )
    cpu_overcommit: float = Field(
        default=64.0,
        gt=0,
        description="Cores that replicas may ask for per core of this machine; sizes are not enforced here.",
    )
    memory_overcommit: float = Field(
        default=8.0, gt=0, description="The same for memory: most replicas take far less than they ask for."
    )
    keep_ended: timedelta = Field(
        default=timedelta(minutes=10), description="How long the log of a removed replica stays readable."
    )

    keep_images: timedelta = Field(
        default=timedelta(days=1), description="How long an unpacked image stays that no replica uses."
    )
