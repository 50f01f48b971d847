"""Turns what ended a build into the failure record that its user reads.

Only what a user can understand and act on is turned; anything else is a bug and stays an exception.
"""

import errno
from typing import Final

from slipway_chassis.errors import BlobMissingError, StorageFullError
from slipway_contracts.envelope import now
from slipway_contracts.failure import FailureRecord, Reason, Stage

from slipway_builder.images.layers import FileChangedError
from slipway_builder.installing.dependencies import (
    BytecodeError,
    DiskFullError,
    RequirementsUnresolvableError,
)
from slipway_builder.installing.host_base import PythonNotAvailableError
from slipway_builder.source.code_files import EndpointFileMissingError
from slipway_builder.source.manifest_file import ManifestInvalidError, ManifestMissingError
from slipway_builder.source.requirements import RequirementsError
from slipway_builder.source.source_archive import ArchiveRefusedError

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
_UNREACHABLE: Final = ("error sending request", "dns error", "failed to fetch", "connection", "timed out")

_MANIFEST_HINT: Final = "Correct the manifest and deploy again."
_KNOWN: Final[tuple[tuple[type[Exception], Reason, str], ...]] = (
    (
        ManifestMissingError,
        Reason.MANIFEST_MISSING,
        "Put a slipway.yaml with `endpoints:` at the top of the source.",
    ),
    (ManifestInvalidError, Reason.MANIFEST_INVALID, _MANIFEST_HINT),
    (
        EndpointFileMissingError,
        Reason.ENDPOINT_FILE_MISSING,
        "Correct the path in the manifest, or put the file into the source.",
    ),
    (
        PythonNotAvailableError,
        Reason.PYTHON_NOT_AVAILABLE,
        "Take the key `python` out of the manifest, or run the platform with that Python.",
    ),
    (RequirementsError, Reason.REQUIREMENTS_UNRESOLVABLE, "Correct the requirements and deploy again."),
    (
        ArchiveRefusedError,
        Reason.ARCHIVE_REFUSED,
        "Pack plain files, folders and links that stay inside the source, and upload them again.",
    ),
    (BlobMissingError, Reason.SOURCE_MISSING, "Upload the source again and start a new build."),
    (
        StorageFullError,
        Reason.DISK_FULL,
        "Free space on the disk of the blob store, as by `slipway purge NAME`, and start a new build.",
    ),
    (
        DiskFullError,
        Reason.DISK_FULL,
        "Free space on that disk and start a new build; what this one had written there is removed.",
    ),
    (BytecodeError, Reason.BUILD_FAILED, "Check the Python installation of the builder."),
    (FileChangedError, Reason.BUILD_FAILED, "Start a new build."),
)


def failure_of(error: Exception, *, log_tail: tuple[str, ...] = ()) -> FailureRecord | None:
    """Return the record of a failed build, None for an error that says nothing about the build itself."""
    endpoint = error.endpoint if isinstance(error, EndpointFileMissingError) else None
    if isinstance(error, RequirementsUnresolvableError):
        return _unresolvable(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        error = DiskFullError(f"the disk of the builder is full: {error}")
    for kind, reason, hint in _KNOWN:
        if isinstance(error, kind):
            return build_failure(reason, str(error), hint, log_tail=log_tail, endpoint=endpoint)
    return None


def build_failure(
    reason: Reason,
    message: str,
    hint: str,
    *,
    log_tail: tuple[str, ...] = (),
    endpoint: str | None = None,
) -> FailureRecord:
    """Return a record of the stage "build", seen now."""
    return FailureRecord(
        stage=Stage.BUILD,
        reason=reason,
        message=message,
        hint=hint,
        at=now(),
        log_tail=log_tail,
        endpoint=endpoint,
    )


def overdue() -> FailureRecord:
    """Return the record of a build whose deadline passed."""
    return build_failure(
        Reason.DEADLINE_EXCEEDED,
        "the build did not end before its deadline",
        "See the build's log for what took so long; start a new build with a later deadline if it needs one.",
    )


def label_taken(label: str) -> FailureRecord:
    """Return the record of a build whose version cannot have its label."""
    return build_failure(
        Reason.LABEL_TAKEN,
        f"the label {label!r} is taken by a version or an endpoint of this deployment",
        "Start a new build with another label, or without one.",
    )


def exhausted(runs: int) -> FailureRecord:
    """Return the record of a build that one builder after the other began and none ended."""
    return build_failure(
        Reason.BUILD_FAILED,
        f"the build was begun {runs} times and came to no end: the builder failed or was ended each time",
        "Look into the builder's own log for the cause, then start a new build.",
    )


def not_cancelable(build: str, fact: str) -> FailureRecord:
    """Return the record of a cancel that had nothing to end."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.BUILD_NOT_CANCELABLE,
        message=f"the build {build} {fact}",
        hint="There is nothing to cancel; see the deployment's builds for those that still run.",
        at=now(),
    )


def undeliverable(error: str, sequence: int) -> FailureRecord:
    """Return the record of a command that the builder gave up; `sequence` is its position in the log."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.MESSAGE_DEAD,
        message=f"the builder gave the command up: {error}",
        hint=f"See the message with: slipway dead show {sequence}. Once the cause is gone, send it again "
        f"with: slipway dead retry {sequence}",
        at=now(),
    )


def _unresolvable(error: RequirementsUnresolvableError) -> FailureRecord:
    words = "\n".join(error.lines) or "the installer said nothing"
    unreachable = any(sign in words.lower() for sign in _UNREACHABLE)
    hint = (
        "The package index could not be reached; check the network and start a new build."
        if unreachable
        else "Correct the requirements: only wheels for this Python and platform are installed."
    )
    return build_failure(
        Reason.REQUIREMENTS_UNRESOLVABLE,
        f"the requirements cannot be installed:\n{words}",
        hint,
        log_tail=error.lines,
    )
