"""Refusals about versions, releases, aliases and access of a deployment, and about gateways."""

from http import HTTPStatus

from slipway_api.refusing.problems import ProblemError


class VersionHiddenError(ProblemError):
    """The version is hidden: kept, but not deployed."""

    status = HTTPStatus.CONFLICT


class VersionRemovedError(ProblemError):
    """The images of the version were removed; it has to be built again."""

    status = HTTPStatus.CONFLICT


class ReleaseNotRestorableError(ProblemError):
    """The release cannot run again: its images were removed, or it never ran."""

    status = HTTPStatus.CONFLICT


class NoEarlierReleaseError(ProblemError):
    """No other release served this alias before."""

    status = HTTPStatus.CONFLICT


class AliasNotFoundError(ProblemError):
    """No such alias of this deployment."""

    status = HTTPStatus.NOT_FOUND


class AliasReservedError(ProblemError):
    """The alias `live` is taken away by a stop only."""

    status = HTTPStatus.CONFLICT


class NameClashError(ProblemError):
    """Aliases, labels and endpoint names of a deployment share one namespace, and the name is taken there."""

    status = HTTPStatus.CONFLICT


class NotPinnedError(ProblemError):
    """The release is not pinned."""

    status = HTTPStatus.CONFLICT


class NotDeletedError(ProblemError):
    """The deployment is not deleted, so it cannot be brought back."""

    status = HTTPStatus.CONFLICT


class EndpointKeysUnavailableError(ProblemError):
    """This installation has no key to sign the keys of endpoints with."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class EndpointKeyNotFoundError(ProblemError):
    """No such key of the endpoints of this deployment, or it was revoked or has expired."""

    status = HTTPStatus.NOT_FOUND


class EndpointKeyReplacedError(ProblemError):
    """The key was rotated before, and opens for its grace only."""

    status = HTTPStatus.CONFLICT


class BasicUserExistsError(ProblemError):
    """The deployment has a user of basic authentication of this name."""

    status = HTTPStatus.CONFLICT


class BasicUserNotFoundError(ProblemError):
    """The deployment has no user of basic authentication of this name."""

    status = HTTPStatus.NOT_FOUND


class GatewayNotFoundError(ProblemError):
    """There is no record of such a gateway."""

    status = HTTPStatus.NOT_FOUND


class GatewayAliveError(ProblemError):
    """The gateway was heard of a moment ago, so that it cannot be removed."""

    status = HTTPStatus.CONFLICT
