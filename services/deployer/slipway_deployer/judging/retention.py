"""Which versions keep their images: those that something names, and those of the newest releases. Pure."""

from slipway_contracts.commands import RemoveVersions, VersionImages
from slipway_contracts.desired import Desired, DesiredRelease, KeptVersion
from slipway_contracts.lifecycle import KEPT_RELEASES, ReleaseState
from slipway_contracts.names import derived_id
from slipway_contracts.traffic import Move

from slipway_deployer.desired.decision import Decision


def retained(decision: Decision, cause: Move | DesiredRelease) -> Decision:
    """Remember what is live now, and let the builder remove the images that are needed no more."""
    decision = decision.changed(kept_versions=_with_live(decision.desired))
    gone = [each for each in decision.desired.kept_versions if not _is_kept(decision.desired, each)]
    if not gone:
        return decision
    command = RemoveVersions(
        **decision.owner,
        by=cause.by if isinstance(cause, Move) else cause.created_by,
        request_digest=derived_id("retention", *(each.id for each in gone)),
        versions=tuple(VersionImages(id=each.id, label=each.label, images=each.images) for each in gone),
        cause="retention",
    )
    left = tuple(each for each in decision.desired.kept_versions if each not in gone)
    return decision.changed(kept_versions=left).emit_for(cause, command)


def _with_live(desired: Desired) -> tuple[KeptVersion, ...]:
    live: dict[str, set[int]] = {}
    for release in desired.releases:
        if release.state is ReleaseState.LIVE and release.version is not None:
            live.setdefault(release.version.id, set()).add(release.number)
    return tuple(
        each.model_copy(update={"releases": tuple(sorted({*each.releases, *live.get(each.id, ())}))})
        for each in desired.kept_versions
    )


def _is_kept(desired: Desired, version: KeptVersion) -> bool:
    if any(each.version is not None and each.version.id == version.id for each in desired.releases):
        return True
    if version.release >= desired.next_release - KEPT_RELEASES:
        return True
    served = sorted(number for each in desired.kept_versions for number in each.releases)
    return bool(set(version.releases) & set(served[-KEPT_RELEASES:]))
