"""Refusals about webhooks, as types."""

from http import HTTPStatus

from slipway_api.refusing.problems import ProblemError


class WebhookNotFoundError(ProblemError):
    """No such webhook here, or it was removed."""

    status = HTTPStatus.NOT_FOUND


class TooManyWebhooksError(ProblemError):
    """The group, or the installation, has as many webhooks as it may have."""

    status = HTTPStatus.CONFLICT


class WebhookUnansweredError(ProblemError):
    """No notifier said in time what came of a test; it may have been sent or not."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
