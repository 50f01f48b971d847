"""Where clients find a running platform: the file `connection.json` of the state folder."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from slipway_standalone import private_files
from slipway_standalone.folder import StateFolder


@dataclass(frozen=True, kw_only=True)
class Connection:
    """URLs of the API and of the gateway, and the file that holds the admin key."""

    url: str
    gateway_url: str
    key_file: str

    def save(self, folder: StateFolder) -> None:  # noqa: D102
        private_files.write_json(folder.connection, asdict(self))

    @classmethod
    def load(cls, folder: StateFolder) -> Self:
        """Read what the last `up` has written."""
        return cls(**json.loads(folder.connection.read_text()))
