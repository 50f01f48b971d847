"""Refusals about webhooks, as types."""

from http import HTTPStatus

from slipway_api.refusing.problems import InvalidRequestError, ProblemError


class WebhookNotFoundError(ProblemError):
    """No such webhook here, or it was removed."""

    status = HTTPStatus.NOT_FOUND


class TooManyWebhooksError(ProblemError):
    """The group, or the installation, has as many webhooks as it may have."""

    status = HTTPStatus.CONFLICT


class WebhookUnansweredError(ProblemError):
    """No notifier said in time what came of a test; it may have been sent or not."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


def behind_the_end(after: int, end: int) -> InvalidRequestError:
    """Return the refusal to send what lies behind a position that the log has not reached."""
    return InvalidRequestError(
        f"The log ends at {end}, before {after}.",
        hint=f"Give a sequence up to {end}, or leave out `after` for what happens from now on.",
        errors=[{"pointer": "#/after", "detail": "must not lie behind the end of the log", "code": "future"}],
        end=end,
    )
