"""The words of refusals about versions, releases, aliases and access, and what to do next."""

from slipway_contracts.access import EndpointKey
from slipway_contracts.version import Version
from slipway_store.rows import ReleaseRow, VersionRow

from slipway_api.refusing import lifecycle_problems as problems
from slipway_api.refusing.calling import path_of, spoken
from slipway_api.refusing.problems import InvalidRequestError, ReleaseNotFoundError


def version_hidden(group: str, deployment: str, row: VersionRow) -> problems.VersionHiddenError:
    """Return the refusal to run a hidden version."""
    return problems.VersionHiddenError(
        f"Version {row.label} of {spoken(group, deployment)} is hidden.",
        hint=f"Show it again: POST {path_of(group, deployment)}/versions/{row.label}/unhide.",
        version=row.label,
    )


def how_to_restore(row: VersionRow) -> str | None:
    """Return how the releases of a version can run again; None: they can as they are."""
    if row.removed_at is None:
        return None
    if row.body.source is None:
        return f"Upload the source that version {row.label} was made of, then build and deploy it."
    return (
        f"Build its source again: POST {path_of(row.group, row.deployment)}/deploy "
        f'with {{"source": "{row.body.source}"}} and the configuration of the release.'
    )


def version_removed(group: str, deployment: str, row: VersionRow) -> problems.VersionRemovedError:
    """Return the refusal to run a version without images."""
    return problems.VersionRemovedError(
        f"The images of version {row.label} of {spoken(group, deployment)} were removed.",
        hint=how_to_restore(row) or "",
        version=row.label,
        removed_at=_iso(row),
        source=row.body.source,
    )


def release_not_restorable(row: ReleaseRow, version: VersionRow) -> problems.ReleaseNotRestorableError:
    """Return the refusal to run a release whose images are gone."""
    return problems.ReleaseNotRestorableError(
        f"Release {row.number} ran version {version.label}, whose images were removed.",
        hint=how_to_restore(version) or "",
        release=row.number,
        version=version.label,
        removed_at=_iso(version),
        source=version.body.source,
    )


def never_built(row: ReleaseRow) -> problems.ReleaseNotRestorableError:
    """Return the refusal to run a release whose build made no version."""
    return problems.ReleaseNotRestorableError(
        f"Release {row.number} has no version: its build has not ended well.",
        hint=f"Look at build {row.build}, or choose a release that ran.",
        release=row.number,
        build=row.build,
    )


def never_ran(row: ReleaseRow) -> problems.ReleaseNotRestorableError:
    """Return the refusal to run a release again that never served."""
    return problems.ReleaseNotRestorableError(
        f"Release {row.number} is {row.state} and never served, so it cannot be run again.",
        hint=f'Make a copy of it: POST …/rollback with {{"to": {row.number}}}, or choose one that served.',
        release=row.number,
        state=row.state,
    )


def version_never_ran(group: str, deployment: str, version: Version) -> ReleaseNotFoundError:
    """Return the refusal to point at a version of which no release was ever ready."""
    return ReleaseNotFoundError(
        f"No release of version {version.label} of {spoken(group, deployment)} was ever ready.",
        hint=f"Deploy it: POST {path_of(group, deployment)}/deploy, with the alias.",
        group=group,
        deployment=deployment,
        version=version.label,
    )


def no_earlier_release(group: str, deployment: str, alias: str) -> problems.NoEarlierReleaseError:
    """Return the refusal of a rollback to nowhere."""
    return problems.NoEarlierReleaseError(
        f"No other release served alias {alias} of {spoken(group, deployment)} before.",
        hint=f"Choose one with `to` from GET {path_of(group, deployment)}/history.",
        alias=alias,
    )


def alias_not_found(group: str, deployment: str, alias: str) -> problems.AliasNotFoundError:
    """Return the refusal of what names no alias."""
    return problems.AliasNotFoundError(
        f"{spoken(group, deployment)} has no alias {alias}.",
        hint=f"List them with GET {path_of(group, deployment)}/aliases.",
        alias=alias,
    )


def alias_reserved(group: str, deployment: str, alias: str) -> problems.AliasReservedError:
    """Return the refusal to take `live` away."""
    return problems.AliasReservedError(
        f"Alias {alias} is the deployment's own URL and cannot be taken away.",
        hint=f"Stop the deployment: POST {path_of(group, deployment)}/stop.",
        alias=alias,
    )


def name_clash(name: str, wanted: str, taken: str) -> problems.NameClashError:
    """Return the refusal of a name that means something else in the deployment's URLs."""
    return problems.NameClashError(
        f"{name} cannot be {wanted}: it is {taken}, and they share the place in the URL.",
        hint="Choose another name.",
        name=name,
        wanted=wanted,
        taken=taken,
    )


def not_pinned(number: int) -> problems.NotPinnedError:
    """Return the refusal to unpin what is not pinned."""
    return problems.NotPinnedError(
        f"Release {number} is not pinned.", hint="There is nothing to do.", release=number
    )


def not_deleted(group: str, deployment: str) -> problems.NotDeletedError:
    """Return the refusal to bring back what is there."""
    return problems.NotDeletedError(
        f"{spoken(group, deployment)} is not deleted.",
        hint=f"If it is stopped, run it: POST {path_of(group, deployment)}/start.",
        group=group,
        deployment=deployment,
    )


def endpoint_keys_unavailable(why: str) -> problems.EndpointKeysUnavailableError:
    """Return the refusal to sign without a key."""
    return problems.EndpointKeysUnavailableError(
        f"Keys of endpoints cannot be signed: {why}.",
        hint="The operator gives the api an Ed25519 key in PEM with SLIPWAY_ENDPOINT_KEY_FILE; "
        "until then use mode open or basic.",
    )


def endpoint_key_not_found(key: str) -> problems.EndpointKeyNotFoundError:
    """Return the refusal of what names no key of the endpoints."""
    return problems.EndpointKeyNotFoundError(
        f"There is no key {key} of the endpoints, or it was revoked or has expired.",
        hint="List them with GET …/access.",
        key=key,
    )


def endpoint_key_replaced(key: EndpointKey, newest: EndpointKey | None) -> problems.EndpointKeyReplacedError:
    """Return the refusal to rotate a key in its grace; None: what came in its place opens nothing either."""
    now = f"{newest.id} opens now" if newest else "what came in its place opens nothing any more"
    return problems.EndpointKeyReplacedError(
        f"Key {key.id} was rotated before: {now}.",
        hint=f"Rotate that: POST …/access/keys/{newest.id}/rotate."
        if newest
        else "Make another one: POST …/access/keys.",
        key=key.id,
        name=key.name,
        replaced_by=newest.id if newest else None,
    )


def basic_user_exists(name: str) -> problems.BasicUserExistsError:
    """Return the refusal of a second user of one name."""
    return problems.BasicUserExistsError(
        f"There is a user {name} already.",
        hint="Delete it to get another password, or choose another name.",
        name=name,
    )


def access_full(what: str, most: int) -> InvalidRequestError:
    """Return the refusal of one user or key too many."""
    return InvalidRequestError(
        f"The deployment has {most} {what} that open its endpoints, which is the most it may have.",
        hint="Remove those that nobody uses any more; the access of the deployment lists them.",
        errors=[{"pointer": "", "detail": f"at most {most} {what}", "code": "too_many"}],
    )


def basic_user_not_found(name: str) -> problems.BasicUserNotFoundError:
    """Return the refusal of what names no user."""
    return problems.BasicUserNotFoundError(
        f"There is no user {name}.", hint="List them with GET …/access.", name=name
    )


def _iso(row: VersionRow) -> str | None:
    return row.removed_at.isoformat() if row.removed_at else None
