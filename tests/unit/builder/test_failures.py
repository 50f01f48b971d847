"""What users read when a build ends badly."""

import errno
from pathlib import Path

import pytest
from slipway_builder.images.layers import FileChangedError
from slipway_builder.installing.dependencies import (
    BytecodeError,
    DiskFullError,
    RequirementsUnresolvableError,
)
from slipway_builder.installing.host_base import HostBase, PythonNotAvailableError
from slipway_builder.journal.failures import failure_of
from slipway_builder.source.code_files import EndpointFileMissingError
from slipway_builder.source.manifest_file import ManifestInvalidError, ManifestMissingError, ManifestProblem
from slipway_builder.source.requirements import RequirementsError
from slipway_builder.source.source_archive import ArchiveRefusedError
from slipway_chassis.errors import BlobMissingError, LogUnavailableError, StorageFullError
from slipway_contracts.failure import Reason, Stage

PROBLEM = ManifestProblem(file="slipway.yaml", line=3, message="unknown key `prot`; did you mean `port`?")


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (ManifestMissingError(["a.py"]), Reason.MANIFEST_MISSING, "it holds: a.py"),
        (ManifestInvalidError([PROBLEM]), Reason.MANIFEST_INVALID, "slipway.yaml:3: unknown key `prot`"),
        (EndpointFileMissingError("predict", "m.pb", ["m.pkl"]), Reason.ENDPOINT_FILE_MISSING, "'m.pb'"),
        (PythonNotAvailableError("Python 2.7"), Reason.PYTHON_NOT_AVAILABLE, "Python 2.7"),
        (RequirementsError("-e ."), Reason.REQUIREMENTS_UNRESOLVABLE, "-e ."),
        (RequirementsUnresolvableError(["no x"]), Reason.REQUIREMENTS_UNRESOLVABLE, "no x"),
        (ArchiveRefusedError("climbs out", member="../x"), Reason.ARCHIVE_REFUSED, "'../x': climbs out"),
        (BlobMissingError("no blob"), Reason.SOURCE_MISSING, "no blob"),
        (StorageFullError("no space"), Reason.DISK_FULL, "no space"),
        (DiskFullError("no space"), Reason.DISK_FULL, "no space"),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.DISK_FULL, "No space left"),
        (BytecodeError("exit code -9"), Reason.BUILD_FAILED, "exit code -9"),
        (FileChangedError("model changed"), Reason.BUILD_FAILED, "model changed"),
    ],
)
def test_every_way_to_fail_has_a_reason_words_and_a_next_step(
    error: Exception, reason: Reason, words: str
) -> None:
    failure = failure_of(error, log_tail=("last line",))

    assert failure is not None
    assert (failure.stage, failure.reason) == (Stage.BUILD, reason)
    assert words in failure.message
    assert failure.hint.endswith(".")
    assert failure.log_tail


@pytest.mark.parametrize("error", [LogUnavailableError("no answer"), KeyError("x"), PermissionError("x")])
def test_what_says_nothing_about_the_build_is_no_failure_of_it(error: Exception) -> None:
    assert failure_of(error) is None


def test_an_index_out_of_reach_is_not_blamed_on_the_requirements() -> None:
    failure = failure_of(RequirementsUnresolvableError(["error: Failed to fetch: x", "dns error"]))

    assert failure is not None
    assert "could not be reached" in failure.hint


@pytest.mark.parametrize("wanted", [None, "3.11", "3.11.7"])
def test_the_python_of_the_base_is_accepted(wanted: str | None) -> None:
    make_base().check_python(wanted)


@pytest.mark.parametrize("wanted", ["3.1", "3.12", "3", ">=3.11", "3.110"])
def test_any_other_python_is_refused_with_what_there_is(wanted: str) -> None:
    with pytest.raises(PythonNotAvailableError, match=r"gets? its Python, 3\.11"):
        make_base().check_python(wanted)


def make_base() -> HostBase:
    return HostBase(interpreter=Path("/usr/bin/python3.11"), python="3.11", platform="linux/amd64")
