"""Reads what the blob store says of an image: its configuration and where its layers lie. Unpacks nothing."""

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from slipway_chassis.errors import BlobError
from slipway_contracts.failure import Reason

PYTHON_LABEL: Final = "dev.slipway.python"
_MANIFESTS: Final = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


class ImageUnusableError(Exception):
    """This machine cannot run the image; `reason` is its stable code."""

    def __init__(self, message: str, *, reason: Reason = Reason.IMAGE_UNUSABLE) -> None:
        super().__init__(message)
        self.reason = reason


def plan_image(digest: str, path_of: Callable[[str], Path]) -> dict[str, object]:
    """Return what the launcher needs to unpack and run an image, or the problem that it shall report.

    The result is part of `launch.json`: either `{digest, variables, layers: [{digest, path}]}` or
    `{digest, problem: {reason, message}}`.
    """
    try:
        return _plan(digest, path_of)
    except ImageUnusableError as error:
        return {"digest": digest, "problem": {"reason": error.reason.value, "message": str(error)}}


def _plan(digest: str, path_of: Callable[[str], Path]) -> dict[str, object]:
    manifest = _document(digest, path_of)
    kind = manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
    if kind not in _MANIFESTS:
        raise ImageUnusableError(f"{digest} is a {kind}, not the manifest of an image")
    try:
        config = _document(manifest["config"]["digest"], path_of)
        layers = [(str(layer["digest"]), layer.get("size")) for layer in manifest["layers"]]
        settings = config.get("config") or {}
        variables = dict(each.split("=", 1) for each in settings.get("Env") or ())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageUnusableError(f"the manifest of image {digest} cannot be understood: {error!r}") from error
    _check_platform(config)
    _check_python((settings.get("Labels") or {}).get(PYTHON_LABEL))
    return {
        "digest": digest,
        "variables": variables,
        "layers": [{"digest": each, "path": str(_layer(each, size, path_of))} for each, size in layers],
    }


def _document(digest: str, path_of: Callable[[str], Path]) -> Mapping[str, Any]:
    content = _stored(digest, path_of).read_bytes()
    if digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise _damaged(digest)
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ImageUnusableError(f"blob {digest} should describe an image, but it is no JSON") from error
    if not isinstance(document, dict):
        raise ImageUnusableError(f"blob {digest} should describe an image, but it is no JSON object")
    return document


def _layer(digest: str, size: int | None, path_of: Callable[[str], Path]) -> Path:
    """Return where a layer lies; only its size is looked at, for it may be large."""
    path = _stored(digest, path_of)
    if size is not None and path.stat().st_size != size:
        raise _damaged(digest)
    return path


def _damaged(digest: str) -> ImageUnusableError:
    return ImageUnusableError(f"blob {digest} of the image is damaged; build the version again")


def _stored(digest: str, path_of: Callable[[str], Path]) -> Path:
    try:
        path = path_of(digest)
    except BlobError as error:
        raise ImageUnusableError(str(error)) from error
    if not path.is_file():
        raise ImageUnusableError(
            f"blob {digest} of the image is not in the blob store; build the version again"
        )
    return path


def _check_platform(config: Mapping[str, Any]) -> None:
    machine = platform.machine()
    here = (sys.platform, _ARCHITECTURES.get(machine, machine))
    there = (config.get("os", here[0]), config.get("architecture", here[1]))
    if here != there:
        raise ImageUnusableError(
            f"the image is for {'/'.join(there)}, this machine is {'/'.join(here)}; build the version for it",
            reason=Reason.VERSION_NOT_RUNNABLE,
        )


def _check_python(wanted: str | None) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted is not None and wanted != here:
        raise ImageUnusableError(
            f"the image needs Python {wanted}, this machine runs Python {here}; build the version again "
            f"with `python: {here}`, or deploy it to a target that runs its own images",
            reason=Reason.PYTHON_NOT_AVAILABLE,
        )
