"""Turns the command of an image into one that runs on this machine. Pure but for looking at what exists.

An image speaks of its own absolute paths; here they lie below the image root. Rewritten are paths that exist
there: in the image's variables, in the arguments, and the working directory.
"""

import os

from slipway_engines.supervisor.launcher.launch_config import LaunchConfig

HOST_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class HostCommand:
    """A command that this machine can run: arguments, environment, working directory."""

    def __init__(self, *, argv: list[str], environment: dict[str, str], working_dir: str) -> None:
        self.argv = argv
        self.environment = environment
        self.working_dir = working_dir


def host_command(
    config: LaunchConfig,
    *,
    variables: dict[str, str],
    root: str,
    python_bin: str,
    folder: str,
    port: int,
    secrets: dict[str, str] | None = None,
) -> HostCommand:
    """Return the command of a replica.

    Args:
        config: what the engine wants.
        variables: the environment of the image.
        root: where the image lies.
        python_bin: folder of the interpreter that `python` shall mean.
        folder: the replica's own folder, for HOME and TMPDIR.
        port: the port it shall listen on.
        secrets: variables whose values stand in no file of the replica.
    """
    environment = {
        "LANG": "C.UTF-8",
        **{name: rebased(value, root) for name, value in variables.items()},
        "HOME": os.path.join(folder, "home"),
        "TMPDIR": os.path.join(folder, "tmp"),
        **config.environment,
        **(secrets or {}),
    }
    environment["PATH"] = search_path(environment.get("PATH", ""), root=root, python_bin=python_bin)
    environment["PORT"] = str(port)
    return HostCommand(
        argv=_argv(config, root, port),
        environment=environment,
        working_dir=os.path.normpath(f"{root}/{config.working_dir}"),
    )


def rebased(value: str, root: str) -> str:
    """Put the image root before each path of a `:` list that exists in the image."""
    return ":".join(_inside(each, root) for each in value.split(":"))


def search_path(value: str, *, root: str, python_bin: str) -> str:
    """Return a PATH: the image's own folders come first, then the clean Python, then this machine's."""
    entries = [each for each in value.split(":") if each]
    own = [each for each in entries if each.startswith(root)]
    machine = [each for each in entries if each not in own and os.path.isdir(each)]
    return ":".join((*own, python_bin, *(machine or HOST_PATH)))


def _argv(config: LaunchConfig, root: str, port: int) -> list[str]:
    if config.shell is not None:
        return ["/bin/sh", "-c", config.shell]
    return [_inside(_with_port(each, port), root) for each in config.argv]


def _with_port(argument: str, port: int) -> str:
    return argument.replace("${PORT}", str(port)).replace("$PORT", str(port))


def _inside(path: str, root: str) -> str:
    if path.startswith("/") and path != "/" and os.path.lexists(root + path):
        return root + path
    return path
