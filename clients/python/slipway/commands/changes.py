"""`update`, `scale`, `restart` and `rollback`: a release that differs from an earlier one in one respect."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway import options
from slipway.arguments import parse_changes, parse_environment, set_by_platform
from slipway.errors import InvalidInputError, SlipwayError
from slipway.invocation import Invocation, mutating

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slipway.client import Slipway
    from slipway.tracking import Outcome

PANEL: Final = "Deploy"
_FURTHER_BACK: Final = 100
"""Releases among which another one to go back to is looked for."""


async def update(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    name: options.Deployment,
    *,
    alias: options.ChangedAlias = None,
    weight: options.KeptWeight = None,
    version: Annotated[str | None, typer.Option(help="Label or id of another version.")] = None,
    target: options.Target = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="K=V|K-", help="Set a variable; K- removes it; repeatable."),
    ] = None,
    secret: options.Secrets = None,
    meta: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="K=V|K-", help="Set metadata; K- removes it; repeatable."),
    ] = None,
    replicas: options.Replicas = None,
    instance_type: options.InstanceType = None,
    cpu: options.Cores = None,
    memory: options.Memory = None,
    gpu: options.Devices = None,
    strategy: options.Strategy = None,
    description: options.Description = None,
    deadline: options.Deadline = None,
) -> None:
    """Release again with single fields changed.

    What is not given stays as it was, each variable and each entry of the metadata too.
    """
    from slipway.carrying_out import carry_out

    size = _given({"cpu": cpu, "memory_bytes": memory, "gpu": gpu})
    environment: dict[str, Any] = dict(parse_changes(env or [], option="--env"))
    for variable, reference in (parse_environment([], secret or []) or {}).items():
        environment[variable] = reference if isinstance(reference, str) else reference.as_body()
    changes = _given(
        {
            "alias": alias,
            "weight": weight,
            "version": version,
            "target": target,
            "replicas": replicas,
            "instance_type": instance_type,
            "size": size or None,
            "environment": environment or None,
            "metadata": parse_changes(meta or [], option="--meta") or None,
            "strategy": strategy,
            "description": description,
            "deadline_seconds": deadline,
        }
    )
    invocation.note(set_by_platform(environment))
    if not changes.keys() - {"alias", "weight", "description"}:
        raise InvalidInputError(
            "nothing to update was given", hint="Say what shall change, as -e KEY=VALUE; see --help."
        )
    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.update(name, changes))


async def scale(
    invocation: Invocation,
    name: options.Deployment,
    replicas: Annotated[int, typer.Argument(metavar="N", min=1, help="Replicas of each endpoint.")],
    *,
    alias: options.ChangedAlias = None,
    description: options.Description = None,
) -> None:
    """Run another number of replicas; healthy ones stay."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        await carry_out(
            invocation, slipway, slipway.scale(name, replicas, alias=alias, description=description)
        )


async def restart(
    invocation: Invocation,
    name: options.Deployment,
    *,
    alias: options.ChangedAlias = None,
    description: options.Description = None,
) -> None:
    """Replace all replicas by new ones, changing nothing.

    The new ones are ready before the old ones go, unless the release's strategy is in-place.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.restart(name, alias=alias, description=description))


async def rollback(
    invocation: Invocation,
    name: options.Deployment,
    *,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="RELEASE",
            min=1,
            help="Release to copy, which then serves alone; default: what served before this one.",
        ),
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Alias that moves back; others stay; default: live.")
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="Why; default: the number of the release that is copied.")
    ] = None,
) -> None:
    """Release an exact copy of an earlier release, without a build.

    A second one without --to goes back to what served before the first; --to goes further.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.rollback(name, to=to, alias=alias, description=description)
        await carry_out(invocation, slipway, mutation, also=_further_back(invocation, slipway, name))


def _further_back(
    invocation: Invocation, slipway: "Slipway", name: str
) -> "Callable[[Outcome], Awaitable[str]]":
    async def said(outcome: "Outcome") -> str:
        from slipway.returning import spoken_return

        try:
            entries = [each async for each in slipway.history(name, limit=_FURTHER_BACK)]
        except SlipwayError:
            # The rollback is done: what cannot be said about it must not look like a failure of it.
            return ""
        return spoken_return(entries, outcome.release, again=partial(invocation.again, "rollback", name))

    return said


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (update, scale, restart, rollback):
        app.command(rich_help_panel=PANEL)(mutating(body))
