"""The options of `up`, `down`, `status`, `projections`, `log` and `subscriber`.

What they do is loaded when one of them runs, so that it costs the other commands of the line nothing.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="State folder; default $SLIPWAY_STATE, else ~/.local/state/slipway."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
KeepOption = Annotated[
    int, typer.Option("--keep", min=1, metavar="N", help="Remove all snapshots but the N newest.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print the time of each step.")]
_PANEL = "Platform on this machine"


def register(app: typer.Typer) -> None:
    """Add the commands of the standalone platform to a command line."""
    app.command("up", rich_help_panel=_PANEL)(_up)
    app.command("down", rich_help_panel=_PANEL)(_down)
    app.command("status", rich_help_panel=_PANEL)(_status)
    projections = typer.Typer(no_args_is_help=True, help="The tables that the log is folded into.")
    projections.command("rebuild")(_rebuild)
    projections.command("verify")(_verify)
    app.add_typer(projections, name="projections", rich_help_panel=_PANEL)
    log = typer.Typer(no_args_is_help=True, help="The log itself; the lines of a replica: `slipway logs`.")
    log.command("show")(_show_log)
    log.command("snapshot")(_take_snapshot)
    log.command("truncate")(_truncate_log)
    app.add_typer(log, name="log", rich_help_panel=_PANEL)
    subscribers = typer.Typer(no_args_is_help=True, help="Users of NATS that may read one group.")
    subscribers.command("add")(_add_subscriber)
    subscribers.command("list")(_list_subscribers)
    subscribers.command("rm")(_remove_subscriber)
    app.add_typer(subscribers, name="subscriber", rich_help_panel=_PANEL)


def _up(  # noqa: PLR0913 - one parameter per option
    *,
    state: StateOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready.")] = False,
    host: Annotated[
        str | None, typer.Option(help="Address of API and gateway.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
    gateway_port: Annotated[int | None, typer.Option(help="Port of the gateway.")] = None,
    ports: Annotated[str, typer.Option(help="Range of all other ports, LOW-HIGH.")] = "8700-8999",
    only: Annotated[Literal["servers"] | None, typer.Option(hidden=True)] = None,
    patience: Annotated[
        float,
        typer.Option(min=0.0, metavar="MINUTES", help="Longest wait for a program that still moves on."),
    ] = 60,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Start the platform on this machine, or say where it runs."""
    from slipway_standalone import up_command  # noqa: PLC0415

    raise typer.Exit(
        up_command.up(
            state=state,
            detach=detach,
            host=host,
            ports={"api": port, "gateway": gateway_port},
            port_range=ports,
            only_servers=only == "servers",
            patience_minutes=patience,
            verbose=verbose,
            as_json=as_json,
        )
    )


def _down(*, state: StateOption = None, verbose: VerboseOption = False, as_json: JsonOption = False) -> None:
    """Stop the platform; its data stay, and `up` brings everything back."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.down(state=state, verbose=verbose, as_json=as_json))


def _status(*, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show every process; the exit code is 0 only when all are ready."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.show_status(state=state, as_json=as_json))


def _rebuild(*, state: StateOption = None) -> None:
    """Make the tables anew from the log, then put them in the place of those in use."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.rebuild_projections(state=state, how="--swap"))


def _verify(*, state: StateOption = None) -> None:
    """Compare the tables in use with what the log says; the exit code is 1 when they differ."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.rebuild_projections(state=state, how="--verify"))


def _show_log(*, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show how much the log holds, from where on it is whole, and its newest snapshot."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.keep_log("show", *(("--json",) if as_json else ()), state=state))


def _take_snapshot(*, keep: KeepOption = 2, state: StateOption = None) -> None:
    """Store all that follows from the log with the blobs, read it back, and compare every row.

    Older snapshots than the newest two go, or as many as `--keep` says, but for what a newer one has too.
    """
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.keep_log("snapshot", "--keep", str(keep), state=state))


def _truncate_log(
    *,
    before: Annotated[
        str,
        typer.Option(
            "--before", metavar="WHEN", help="A sequence, a time as 2026-01-31T12:00:00Z, or an age as 30d."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    keep: KeepOption = 2,
    state: StateOption = None,
) -> None:
    """Take a snapshot, then remove older messages from the log that nobody needs there any more.

    History, audit and the past stay: Postgres and the snapshot have them. Event streams, webhooks and
    subscribers cannot begin before that any more.
    """
    from slipway_standalone import other_commands  # noqa: PLC0415

    options = [flag for flag, given in (("--yes", yes), ("--dry-run", dry_run)) if given]
    kept = "--keep", str(keep)
    raise typer.Exit(other_commands.keep_log("truncate", "--before", before, *options, *kept, state=state))


def _add_subscriber(
    name: Annotated[str, typer.Argument(help="Of the new user.")],
    *,
    group: Annotated[
        str, typer.Option("--group", "-g", help="Whose messages; `*`: of all groups.")
    ] = "default",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a user of NATS read a group's messages as they come, and show its URL.

    It sees whole messages, with who asked for what. What came before is in the event stream of the API.
    """
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.add_subscriber(state=state, name=name, group=group, as_json=as_json))


def _list_subscribers(*, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show the users of NATS that read groups."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.list_subscribers(state=state, as_json=as_json))


def _remove_subscriber(
    name: Annotated[str, typer.Argument(help="Of the user.")],
    *,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take such a user away; its connections end at once."""
    from slipway_standalone import other_commands  # noqa: PLC0415

    raise typer.Exit(other_commands.remove_subscriber(state=state, name=name, as_json=as_json))
