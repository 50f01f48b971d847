"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from slipway.arguments import parse_bytes, parse_seconds

Deployment = Annotated[str, typer.Argument(metavar="NAME", help="Deployment, by its id or its name.")]
ReleaseNumber = Annotated[int, typer.Argument(metavar="RELEASE", min=1, help="Number of a release.")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="Name of the alias.")]
Name = Annotated[str | None, typer.Option(help="Deployment; default: the name of the folder.")]
Label = Annotated[str | None, typer.Option(help="Label of the version; default: YYYYMMDD.N.")]
Limit = Annotated[int, typer.Option(min=1, help="Show the newest, at most so many.")]
Target = Annotated[str | None, typer.Option(help="Where it runs; a deploy's default: local.")]
Replicas = Annotated[
    int | None, typer.Option(min=1, help="Replicas of each endpoint; a deploy's default: 1.")
]
InstanceType = Annotated[
    str | None,
    typer.Option("--instance-type", metavar="TYPE", help="Named size of each replica."),
]
Environment = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="K=V", help="Environment variable; repeatable."),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="K=SECRET[:N]",
        help="Environment variable with the value of a secret, of its newest version or N; repeatable.",
    ),
]
Cores = Annotated[
    float | None, typer.Option("--cpu", min=0.001, help="Cores of each replica; a deploy's default: 1.")
]
Memory = Annotated[
    int | None,
    typer.Option(
        parser=parse_bytes, metavar="SIZE", help="Memory of each replica, as 512Mi; a deploy's default: 1Gi."
    ),
]
Devices = Annotated[
    int | None, typer.Option("--gpu", min=0, help="Whole GPUs of each replica; a deploy's default: 0.")
]
Strategy = Annotated[
    str | None,
    typer.Option(
        metavar="surge|in-place",
        help="surge: new replicas before the old ones go; in-place: after, with a downtime; "
        "a deploy's default: surge.",
    ),
]
MovedAlias = Annotated[
    str | None, typer.Option("--alias", help="Alias that moves to the release; a deploy's default: live.")
]
ChangedAlias = Annotated[
    str | None,
    typer.Option("--alias", help="Alias whose release is changed, and which moves; default: live."),
]
KeptWeight = Annotated[
    int | None,
    typer.Option(
        "--weight",
        min=1,
        max=100,
        help="Percent of the alias' requests, beside what serves now; default: the part of the release that "
        "is changed, in its place.",
    ),
]
Weight = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="Percent of the alias' requests; what it has now keeps the rest; a deploy's default: 100.",
    ),
]
Description = Annotated[str | None, typer.Option(help="Why this release is made.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="K=V", help="Kept with the release; repeatable.")
]
Deadline = Annotated[
    float | None,
    typer.Option(
        parser=parse_seconds,
        metavar="TIME",
        help="Longest time to become ready, as 30s; a deploy's default: 5m.",
    ),
]
