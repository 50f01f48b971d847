"""`deploy` and `redeploy`: what makes a new release."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_pairs
from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.documents import Accepted, Configuration

PANEL: Final = "Deploy"


async def deploy(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    what: Annotated[
        str, typer.Argument(metavar="PATH|VERSION", help="Source folder, or the label or id of a version.")
    ],
    *,
    name: options.Name = None,
    label: options.Label = None,
    replicas: options.Replicas = None,
    env: options.Environment = None,
    cpu: options.Cores = None,
    memory: options.Memory = None,
    description: options.Description = None,
    meta: options.Metadata = None,
    deadline: options.Deadline = None,
    no_wait: options.NoWait = False,
) -> None:
    """Build and deploy a folder, or deploy a version.

    Creates the deployment if it is new. A deploy describes the whole release: what is not given takes its
    default, not what ran before; `slipway redeploy` changes some of it.
    """
    from slipway.results import show_release
    from slipway.waiting import finish

    config = _configuration(
        replicas=replicas,
        env=env,
        cpu=cpu,
        memory=memory,
        description=description,
        meta=meta,
        deadline=deadline,
    )
    folder = _folder(what)
    async with invocation.client() as slipway:
        if folder is not None:
            accepted = await _deploy_folder(
                invocation, slipway, folder, name=name, label=label, config=config
            )
        else:
            accepted = await slipway.put(_named(what, name, label), version=what, config=config)
        outcome = await finish(invocation, slipway, accepted, no_wait=no_wait)
        if outcome is not None:
            await show_release(invocation, slipway, accepted, outcome)


async def redeploy(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    name: options.Deployment,
    *,
    version: Annotated[str | None, typer.Option(help="Label or id of another version.")] = None,
    replicas: options.Replicas = None,
    env: options.Environment = None,
    cpu: options.Cores = None,
    memory: options.Memory = None,
    description: options.Description = None,
    meta: options.Metadata = None,
    deadline: options.Deadline = None,
    no_wait: options.NoWait = False,
) -> None:
    """Release again, changing only what is given.

    --env replaces all variables, --meta all metadata.
    """
    from slipway.results import show_release
    from slipway.waiting import finish

    config = _configuration(
        replicas=replicas,
        env=env,
        cpu=cpu,
        memory=memory,
        description=description,
        meta=meta,
        deadline=deadline,
    )
    async with invocation.client() as slipway:
        accepted = await slipway.redeploy(name, version=version, config=config)
        outcome = await finish(invocation, slipway, accepted, no_wait=no_wait)
        if outcome is not None:
            await show_release(invocation, slipway, accepted, outcome)


def _folder(what: str) -> Path | None:
    return Path(what) if Path(what).is_dir() else None


async def _deploy_folder(
    invocation: Invocation,
    slipway: "Slipway",
    folder: Path,
    *,
    name: str | None,
    label: str | None,
    config: "Configuration",
) -> "Accepted":
    from slipway.archive import name_of
    from slipway.uploading import upload

    name = name or name_of(folder)
    source = await upload(invocation, slipway, folder)
    return await slipway.put(name, source=source, label=label, config=config)


def _named(what: str, name: str | None, label: str | None) -> str:
    if "/" in what or what in {".", ".."} or Path(what).exists():
        raise InvalidInputError(f"{what} is no folder", hint="Give the folder that holds slipway.yaml.")
    if label is not None:
        raise InvalidInputError("--label names what is built from a folder; a version has its label already")
    if name is None:
        raise InvalidInputError(
            f"{what} is no folder here, and whose version it is, is not said",
            hint=f"Say `slipway deploy {what} --name NAME`, or give a folder.",
        )
    return name


def _configuration(
    *,
    replicas: int | None,
    env: list[str] | None,
    cpu: float | None,
    memory: int | None,
    description: str | None,
    meta: list[str] | None,
    deadline: float | None,
) -> "Configuration":
    from slipway.documents import Configuration, Size

    return Configuration(
        replicas=replicas,
        size=Size(cpu=cpu, memory_bytes=memory) if cpu or memory else None,
        environment=parse_pairs(env or [], option="--env"),
        metadata=parse_pairs(meta or [], option="--meta"),
        description=description,
        deadline_seconds=deadline,
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (deploy, redeploy):
        app.command(rich_help_panel=PANEL)(connected(body))
