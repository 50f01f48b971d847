"""`deploy` and `redeploy`: what makes a new release from a whole description."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_environment, parse_pairs, set_by_platform
from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, mutating

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.documents import Configuration, Size
    from slipway.mutation import Mutation

PANEL: Final = "Deploy"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


async def deploy(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    what: Annotated[
        str,
        typer.Argument(
            metavar="PATH|VERSION|DIGEST",
            help="Source folder, the label or id of a version, or the digest of a stored source.",
        ),
    ],
    *,
    name: options.Name = None,
    label: options.Label = None,
    alias: options.MovedAlias = None,
    weight: options.Weight = None,
    target: options.Target = None,
    replicas: options.Replicas = None,
    instance_type: options.InstanceType = None,
    cpu: options.Cores = None,
    memory: options.Memory = None,
    gpu: options.Devices = None,
    env: options.Environment = None,
    secret: options.Secrets = None,
    image_pull_secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="Secret that opens the registry of its images.")
    ] = None,
    strategy: options.Strategy = None,
    description: options.Description = None,
    meta: options.Metadata = None,
    deadline: options.Deadline = None,
) -> None:
    """Build and deploy a folder, or deploy a version.

    Creates the deployment if it is new. A deploy describes the whole release: what is not given takes its
    default, not what ran before; `slipway redeploy` and `slipway update` change some of it. With --dry-run a
    folder is uploaded all the same, and not built.
    """
    from slipway.carrying_out import carry_out
    from slipway.documents import Configuration, SecretRef

    config = Configuration(
        target=target,
        replicas=replicas,
        instance_type=instance_type,
        size=_size(cpu, memory, gpu),
        environment=parse_environment(env or [], secret or []),
        image_pull_secret=SecretRef(secret=image_pull_secret) if image_pull_secret else None,
        strategy=strategy,
        alias=alias,
        weight=weight,
        metadata=parse_pairs(meta or [], option="--meta"),
        description=description,
        deadline_seconds=deadline,
    )
    invocation.note(set_by_platform(config.environment or ()))
    async with invocation.client() as slipway:
        await carry_out(
            invocation, slipway, await _deployed(invocation, slipway, what, name, label, config=config)
        )


async def redeploy(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    name: options.Deployment,
    *,
    version: Annotated[str | None, typer.Option(help="Label or id of another version.")] = None,
    alias: options.ChangedAlias = None,
    weight: options.KeptWeight = None,
    target: options.Target = None,
    replicas: options.Replicas = None,
    instance_type: options.InstanceType = None,
    cpu: options.Cores = None,
    memory: options.Memory = None,
    gpu: options.Devices = None,
    env: options.Environment = None,
    secret: options.Secrets = None,
    strategy: options.Strategy = None,
    description: options.Description = None,
    meta: options.Metadata = None,
    deadline: options.Deadline = None,
) -> None:
    """Release again, changing only what is given.

    What is not given stays as it was, whatever the default of a deploy is. --env and --secret together
    replace all variables, --meta all metadata; `slipway update` changes single ones.
    """
    from slipway.carrying_out import carry_out
    from slipway.documents import Configuration

    config = Configuration(
        target=target,
        replicas=replicas,
        instance_type=instance_type,
        size=_size(cpu, memory, gpu),
        environment=parse_environment(env or [], secret or []),
        strategy=strategy,
        alias=alias,
        weight=weight,
        metadata=parse_pairs(meta or [], option="--meta"),
        description=description,
        deadline_seconds=deadline,
    )
    invocation.note(set_by_platform(config.environment or ()))
    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.redeploy(name, version=version, config=config))


async def _deployed(
    invocation: Invocation,
    slipway: "Slipway",
    what: str,
    name: str | None,
    label: str | None,
    *,
    config: "Configuration",
) -> "Mutation":
    from slipway.archive import name_of
    from slipway.uploading import upload

    folder = _folder(what)
    if folder is None and _DIGEST.fullmatch(what):
        return slipway.put(_named(what, name), source=what, label=label, config=config)
    if folder is None:
        return slipway.put(_named(what, name, label), version=what, config=config)
    name = name or name_of(folder)
    source = await upload(invocation, slipway, folder)
    return slipway.put(name, source=source, label=label, config=config)


def _folder(what: str) -> Path | None:
    return Path(what) if Path(what).is_dir() else None


def _named(what: str, name: str | None, label: str | None = None) -> str:
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


def _size(cpu: float | None, memory: int | None, gpu: int | None) -> "Size | None":
    from slipway.documents import Size

    given = any(each is not None for each in (cpu, memory, gpu))
    return Size(cpu=cpu, memory_bytes=memory, gpu=gpu) if given else None


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (deploy, redeploy):
        app.command(rich_help_panel=PANEL)(mutating(body))
