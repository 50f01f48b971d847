"""The `slipway` command: gathers the commands of this package and those of plugins; each lives in its module.

A plugin is an entry point of the group `slipway.commands` that names a function `register(app: typer.Typer)`.
"""

import sys
from importlib.metadata import entry_points, version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from slipway.commands import (
    access,
    aliases,
    artifacts,
    audit,
    builds,
    changes,
    dead,
    deploy,
    deployments,
    events,
    groups,
    history,
    installation,
    keys,
    lifecycle,
    logs,
    secrets,
    settings,
    timeline,
    versions,
    webhooks,
)

PLUGINS: Final = "slipway.commands"
_OTHERS: Final = "Other"
_MODULES: Final = (
    *(deploy, changes, builds, aliases),
    *(lifecycle, settings),
    *(deployments, history, timeline, versions, logs, events, dead, audit),
    *(secrets, access, webhooks),
    *(groups, installation, keys, artifacts),
)


class GroupedHelp(TyperGroup):
    """Lists the commands under the headings that they name as `rich_help_panel`, without loading Rich."""

    # Typer's own copy of click, which has the types of both arguments, is private.
    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """Write the lists, in the order in which the headings first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                heading = getattr(command, "rich_help_panel", None)
                rows = sections.setdefault(heading if isinstance(heading, str) else _OTHERS, [])
                rows.append((name, command.get_short_help_str(limit=80)))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def make_app() -> typer.Typer:
    """Return the application with the commands of this package and of all plugins."""
    app = typer.Typer(
        name="slipway",
        cls=GroupedHelp,
        help="Build, deploy and watch models. `slipway COMMAND --help` says more.",
        epilog="Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 no API or no right to it.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in _MODULES:
        module.register(app)
    for plugin in entry_points(group=PLUGINS):
        try:
            plugin.load()(app)
        except ImportError as error:
            sys.stderr.write(f"slipway: the plugin {plugin.name} cannot be loaded: {error}\n")
    return app


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"slipway {version('slipway')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    make_app()()
