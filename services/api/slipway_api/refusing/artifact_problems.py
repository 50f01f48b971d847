"""Refusals about artifacts, what is uploaded, and files that were placed in storage by hand."""

from http import HTTPStatus

from slipway_api.refusing.problems import ProblemError


class ArtifactNotFoundError(ProblemError):
    """No such artifact in the blob store."""

    status = HTTPStatus.NOT_FOUND


class FoundFileMissingError(ProblemError):
    """No such file among those that were placed in storage by hand."""

    status = HTTPStatus.NOT_FOUND


class SourceMissingError(ProblemError):
    """The group has no such source artifact, or its bytes are gone."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ArtifactHiddenError(ProblemError):
    """The artifact is hidden and not to be used."""

    status = HTTPStatus.CONFLICT


class FileUnsettledError(ProblemError):
    """The file is still being written."""

    status = HTTPStatus.CONFLICT
    retry_after = 2


class UploadIncompleteError(ProblemError):
    """The client left before the end of the upload."""

    status = HTTPStatus.BAD_REQUEST


class DigestMismatchError(ProblemError):
    """The uploaded bytes have another digest than the path says."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
