"""`python -m slipway_standalone`: the commands without the rest of the command line."""

import typer

from slipway_standalone.cli import register


def main() -> None:
    """Run one command."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    register(app)
    app()


if __name__ == "__main__":
    main()
