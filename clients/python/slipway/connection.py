"""Finds out which API to talk to and with which key, and knows what a platform of this machine says of that.

It opens no connection.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from slipway.errors import InvalidInputError, NotConnectedError

CONNECTION_FILE: Final = "connection.json"
_SCHEMES: Final = frozenset({"http", "https"})
_START_HINT: Final = (
    "Start a platform on this machine with `slipway up`, or name one with --url and --key "
    "(SLIPWAY_URL and SLIPWAY_KEY)."
)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where the API is, the key to it, and the gateway where that is known."""

    url: str
    key: str
    gateway_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConnectionFile:
    """What `connection.json` of a state folder says: URLs, and the file that holds the admin key."""

    url: str
    gateway_url: str
    key_file: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what the last start has written.

        Raises:
            OSError: It cannot be read; `FileNotFoundError`: there was no start.
            ValueError: It is damaged.
        """
        written = json.loads((folder / CONNECTION_FILE).read_text(encoding="utf-8"))
        try:
            return cls(
                url=str(written["url"]).rstrip("/"),
                gateway_url=str(written["gateway_url"]),
                key_file=str(written["key_file"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it says not all that it should: {error!r}") from error


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which a platform of this user keeps its state."""
    if given := environment.get("SLIPWAY_STATE"):
        return Path(given)
    if base := environment.get("XDG_STATE_HOME"):
        return Path(base) / "slipway"
    return Path.home() / ".local" / "state" / "slipway"


def find_connection(
    *,
    url: str | None = None,
    key: str | None = None,
    state: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Return the connection: arguments come before the environment, and both before the state folder.

    A state folder given as an argument comes before SLIPWAY_URL. The key of a state folder is sent to the
    API of that folder only.

    Raises:
        InvalidInputError: the URL is none.
        NotConnectedError: the URL or the key is found nowhere.
    """
    if state is None:
        url = url or environment.get("SLIPWAY_URL")
        key = key or environment.get("SLIPWAY_KEY")
    if url:
        _check(url)
    if url and key:
        return Connection(url=url.rstrip("/"), key=key)
    folder = state or state_folder(environment)
    if url is None:
        return _local(folder, key)
    if (folder / CONNECTION_FILE).is_file() and (local := _local(folder, key)).url == url.rstrip("/"):
        return local
    raise NotConnectedError(f"no key is known for {url}", hint="Give --key, or set SLIPWAY_KEY.")


def _check(url: str) -> None:
    """Refuse what the URL of no API can be: `host:port` would be taken for a scheme and a path."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise InvalidInputError(f"{url} is no URL: http:// or https:// is missing", hint=f"Say http://{url}")
    if scheme.lower() not in _SCHEMES or not rest.strip("/"):
        raise InvalidInputError(f"{url} is no URL of an API", hint="Write it as http://host:port.")


def _local(folder: Path, key: str | None) -> Connection:
    path = folder / CONNECTION_FILE
    try:
        written = ConnectionFile.load(folder)
        key = key or (folder / written.key_file).read_text(encoding="utf-8").strip()
        return Connection(url=written.url, key=key, gateway_url=written.gateway_url)
    except FileNotFoundError as error:
        raise NotConnectedError(f"there is no platform in {folder}", hint=_START_HINT) from error
    except (OSError, ValueError) as error:
        raise NotConnectedError(f"{path} cannot be used: {error}", hint=_START_HINT) from error
