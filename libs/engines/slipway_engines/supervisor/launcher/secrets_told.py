"""Reads the secrets that a program was told, from a file that lies in memory."""

import json
import os

from slipway_engines.supervisor.launcher.layout import Layout


def secrets_told(layout: Layout, program: str) -> dict[str, str]:
    """Return the values by variable; empty where this machine has none, or lost them.

    What a stranger wrote does not count: after a reboot anybody may have made the place in memory to which
    the folder's link leads.
    """
    try:
        with open(layout.secret_file(program), encoding="utf-8") as file:
            trusted = (0, os.geteuid(), os.stat(layout.root).st_uid)
            if os.fstat(file.fileno()).st_uid not in trusted:
                return {}
            told = json.load(file)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
