"""What versions that run on this machine stand on: its Python and its platform, instead of a base image."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class PythonNotAvailableError(Exception):
    """The manifest asks for a Python that this installation does not have."""


@dataclass(frozen=True, kw_only=True)
class HostBase:
    """The interpreter outside any virtual environment, its version (`3.11`) and platform (`linux/amd64`)."""

    interpreter: Path
    python: str
    platform: str

    def check_python(self, wanted: str | None) -> None:
        """Accept `3.11` or `3.11.<anything>` where this is Python 3.11.

        Raises:
            PythonNotAvailableError: it is another one.
        """
        if wanted is None or wanted == self.python or wanted.startswith(f"{self.python}."):
            return
        raise PythonNotAvailableError(
            f"the manifest asks for Python {wanted}; versions that run on this machine get its Python, "
            f"{self.python}"
        )


def host_base() -> HostBase:
    """Look at the machine this runs on."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    outside = Path(sys.base_prefix) / "bin" / f"python{version}"
    machine = platform.machine().lower()
    return HostBase(
        interpreter=outside if outside.exists() else Path(sys.executable),
        python=version,
        platform=f"{sys.platform}/{_ARCHITECTURES.get(machine, machine)}",
    )
