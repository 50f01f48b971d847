"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from slipway.arguments import parse_bytes, parse_seconds

Deployment = Annotated[str, typer.Argument(metavar="NAME", help="Deployment.")]
Name = Annotated[str | None, typer.Option(help="Deployment; default: the name of the folder.")]
Label = Annotated[str | None, typer.Option(help="Label of the version; default: YYYYMMDD.N.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return once the command is accepted.")]
Limit = Annotated[int, typer.Option(min=1, help="Show the newest, at most so many.")]

Replicas = Annotated[int | None, typer.Option(min=1, help="Replicas of each endpoint.")]
Environment = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="Environment variable; repeatable.")
]
Cores = Annotated[float | None, typer.Option("--cpu", min=0.001, help="Cores of each replica.")]
Memory = Annotated[
    int | None, typer.Option(parser=parse_bytes, metavar="SIZE", help="Memory of each replica, as 512Mi.")
]
Description = Annotated[str | None, typer.Option(help="Why this release is made.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="K=V", help="Kept with the release; repeatable.")
]
Deadline = Annotated[
    float | None,
    typer.Option(parser=parse_seconds, metavar="TIME", help="Longest time to become ready, as 30s."),
]
