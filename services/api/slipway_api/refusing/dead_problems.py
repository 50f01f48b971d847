"""Refusals about messages that services gave up."""

from http import HTTPStatus

from slipway_api.refusing.problems import ProblemError


class DeadMessageNotFoundError(ProblemError):
    """No message at this sequence of the log was given up."""

    status = HTTPStatus.NOT_FOUND


class DeadMessageSettledError(ProblemError):
    """The message was retried or discarded already."""

    status = HTTPStatus.CONFLICT


class DeadMessageOvertakenError(ProblemError):
    """The deployment has had a newer command, which a retry would undo."""

    status = HTTPStatus.CONFLICT


class DeadMessageNotRetriableError(ProblemError):
    """The message is none that can be sent again."""

    status = HTTPStatus.CONFLICT


class DeadMessageUnreadableError(ProblemError):
    """The message cannot be read, so that nobody knows what to send again."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
