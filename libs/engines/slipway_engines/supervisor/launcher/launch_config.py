"""What the engine tells the launcher about one replica."""

import json


class LaunchConfig:
    """The content of a replica's `launch.json`; never changed after it was written."""

    def __init__(  # noqa: PLR0913
        self,
        *,
        program: str,
        installation: str,
        target: str,
        group: str,
        deployment: str,
        endpoint: str,
        workload: str,
        replica: str,
        argv: list[str],
        shell: str | None,
        working_dir: str,
        environment: dict[str, str],
        port: int,
        fixed_port: bool,
        health: str | None,
        grace_seconds: float,
        image: dict[str, object],
        traceparent: str | None = None,
        secrets: list[str] | None = None,
        timeout_seconds: float = 300.0,
    ) -> None:
        self.program = program
        self.installation = installation
        self.target = target
        self.group = group
        self.deployment = deployment
        self.endpoint = endpoint
        self.workload = workload
        self.replica = replica
        self.argv = argv
        self.shell = shell
        self.working_dir = working_dir
        self.environment = environment
        self.port = port
        self.fixed_port = fixed_port
        self.health = health
        self.grace_seconds = grace_seconds
        self.image = image
        self.traceparent = traceparent
        self.secrets = secrets or []
        self.timeout_seconds = timeout_seconds

    @classmethod
    def load(cls, path: str) -> "LaunchConfig":
        """Read one, without what a newer release has to say beside.

        Raises:
            OSError: there is none.
            ValueError: it cannot be understood.
        """
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        try:
            return cls(**{name: data[name] for name in data if name in cls.__init__.__annotations__})
        except TypeError as error:
            raise ValueError(f"{path} is not of this version of the platform: {error}") from error

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(vars(self))
