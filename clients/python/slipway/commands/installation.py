"""`instance-type`, `target` and `gateway`: how large replicas are, where they run, who routes to them."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway.arguments import parse_bytes, parse_pairs
from slipway.invocation import Invocation, add_commands

if TYPE_CHECKING:
    from slipway.installation_documents import Target

PANEL: Final = "Installation"
TypeName = Annotated[str, typer.Argument(metavar="TYPE", help="Name of the instance type.")]


async def list_types(invocation: Invocation) -> None:
    """List the named sizes of replicas."""
    from slipway.plans import spoken_value
    from slipway.rendering import spoken_binary
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.installation.instance_types()]
    columns = [Column(title=title) for title in ("TYPE", "CPU", "MEMORY", "GPU", "SELECTOR", "DESCRIPTION")]
    rows = [
        (
            each.name,
            f"{each.size.cpu or 0:g}",
            spoken_binary(each.size.memory_bytes or 0),
            str(each.size.gpu or 0),
            spoken_value(each.node_selector),
            each.description,
        )
        for each in found
    ]
    invocation.listing(found, columns, rows, none="There is no instance type.")


async def set_type(
    invocation: Invocation,
    name: TypeName,
    *,
    cpu: Annotated[float, typer.Option(min=0.001, help="Cores.")] = 1.0,
    memory: Annotated[
        int | None, typer.Option(parser=parse_bytes, metavar="SIZE", help="As 512Mi; default: 1Gi.")
    ] = None,
    gpu: Annotated[int, typer.Option(min=0, help="Whole GPUs.")] = 0,
    selector: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Nodes it may run on; repeatable; default: any.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make an instance type, or give one its full new value; releases that exist keep theirs."""
    body: dict[str, Any] = {
        "description": description,
        "size": {"cpu": cpu, "memory_bytes": memory or 1 << 30, "gpu": gpu},
        "node_selector": parse_pairs(selector or [], option="--selector") or {},
    }
    async with invocation.client() as slipway:
        answer = await slipway.installation.set_instance_type(name, body)
    invocation.answer(answer.as_json(), f"Instance type {name} is configured.")


async def remove_type(invocation: Invocation, name: TypeName) -> None:
    """Take an instance type away; releases that exist keep their size."""
    async with invocation.client() as slipway:
        await slipway.installation.remove_instance_type(name)
    invocation.answer({"name": name, "removed": True}, f"Instance type {name} is removed.")


async def list_targets(invocation: Invocation) -> None:
    """List where deployments can run, with room and health."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.installation.targets()]
    if invocation.as_json:
        invocation.document([each.as_json() for each in found])
        return
    if not found:
        invocation.advise("No monitor has announced a target.")
        return
    titles = ("TARGET", "ENGINE", "HEALTH", "CPU FREE", "MEMORY FREE", "GPU FREE", "UNKNOWN WORKLOADS")
    columns = [Column(title=title) for title in titles]
    invocation.terminal.table(columns, [_of_target(each) for each in found])
    for each in found:
        for notice in each.notices:
            invocation.terminal.say(f"! {each.name}: {notice}", style="yellow")


async def list_gateways(invocation: Invocation) -> None:
    """List who routes requests; a change of routes ends when each of them has applied it."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.installation.gateways()]
    columns = [Column(title=title) for title in ("GATEWAY", "HEARD", "APPLIED", "ENVOY")]
    rows = [
        (
            each.name,
            spoken_time(each.heard_at) + (" (silent)" if each.silent else ""),
            str(each.applied),
            each.envoy,
        )
        for each in found
    ]
    invocation.listing(found, columns, rows, none="No gateway has said anything yet.")


async def remove_gateway(
    invocation: Invocation, name: Annotated[str, typer.Argument(metavar="GATEWAY", help="Its name.")]
) -> None:
    """Let nothing wait any more for a gateway that is gone for good, with its Envoy."""
    async with invocation.client() as slipway:
        await slipway.installation.remove_gateway(name)
    invocation.answer({"name": name, "removed": True}, f"Gateway {name} is removed.")


def _of_target(target: "Target") -> tuple[str, ...]:
    from slipway.installation_documents import Amount
    from slipway.rendering import spoken_binary

    free, whole = target.free or Amount(), target.allocatable
    room = [
        _of(free.cpu, whole.cpu, "{:g}".format),
        _of(free.memory_bytes, whole.memory_bytes, spoken_binary),
        _of(free.gpu, whole.gpu, "{:g}".format),
    ]
    return target.name, target.engine, target.health, *room, str(len(target.unknown_workloads or ()) or "")


def _of(left: float | None, most: float | None, spoken: "Callable[[float], str]") -> str:
    return f"{'?' if left is None else spoken(left)} of {spoken(most or 0)}"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    types = typer.Typer(no_args_is_help=True, help="Named sizes of replicas.")
    add_commands(types, {"list": list_types, "set": set_type, "rm": remove_type}, {})
    targets = typer.Typer(no_args_is_help=True, help="Where deployments can run.")
    add_commands(targets, {"list": list_targets}, {})
    targets.callback()(_targets)
    gateways = typer.Typer(no_args_is_help=True, help="Who routes requests to replicas.")
    add_commands(gateways, {"list": list_gateways, "rm": remove_gateway}, {})
    app.add_typer(types, name="instance-type", rich_help_panel=PANEL)
    app.add_typer(targets, name="target", rich_help_panel=PANEL)
    app.add_typer(gateways, name="gateway", rich_help_panel=PANEL)


def _targets() -> None:
    """Where deployments can run."""
