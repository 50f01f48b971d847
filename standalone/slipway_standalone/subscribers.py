"""Users of NATS that may read one group and nothing else, and how a running server learns of them.

They hear what the log has stored, and never publish. A right to ask JetStream for messages would be a right
to have them sent to any subject of the account, a command's among them; so the past is read from the event
stream of the API.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from slipway_contracts import subjects
from slipway_contracts.names import NAME_PATTERN

from slipway_standalone import nats, private_files
from slipway_standalone.credentials import NATS_PROVISIONER
from slipway_standalone.errors import SubscriberError
from slipway_standalone.folder import StateFolder
from slipway_standalone.plan import LOOPBACK
from slipway_standalone.running import running_supervisor

_FOR_ADMINS: Final = (
    subjects.told("slipway.*._.evt.request.>"),
    subjects.told("slipway.*._.evt.webhook.>"),
)
EVERY_GROUP: Final = "*"
_RESERVED: Final = frozenset({*nats.SERVICES, NATS_PROVISIONER})


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """A user that reads the messages of one group, or of all."""

    name: str
    group: str
    password: str = field(repr=False)

    @property
    def subject(self) -> str:
        """What it may subscribe to."""
        return subjects.told(f"slipway.{self.group}.>")

    @property
    def user(self) -> dict[str, object]:
        """Its entry in the server's configuration."""
        permissions = {
            "publish": {"deny": [">"]},
            "subscribe": {"allow": [self.subject], "deny": list(_FOR_ADMINS)},
        }
        return {"user": self.name, "password": self.password, "permissions": permissions}


class Subscribers:
    """Those of one state folder; the caller keeps other commands off it."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._file = folder.path / "subscribers.json"

    def all(self) -> list[Subscriber]:
        """Return them by name."""
        known = json.loads(self._file.read_text()) if self._file.exists() else []
        return sorted((Subscriber(**each) for each in known), key=lambda each: each.name)

    def add(self, name: str, group: str) -> Subscriber:
        """Make one with a password of its own; a running server lets it in from now on.

        Raises:
            SubscriberError: the name is taken, or one of the names cannot be.
        """
        if not re.fullmatch(NAME_PATTERN, name) or name in _RESERVED:
            raise SubscriberError(
                f"{name!r} cannot be the name of a subscriber.",
                remedy="Take lower-case letters, digits and hyphens, but no service's name: "
                + ", ".join(sorted(_RESERVED)),
            )
        if group != EVERY_GROUP and not re.fullmatch(NAME_PATTERN, group):
            raise SubscriberError(f"{group!r} is no name of a group.", remedy="See them: slipway group list")
        known = self.all()
        if any(each.name == name for each in known):
            raise SubscriberError(
                f"There is a subscriber {name} already.",
                remedy=f"Take another name, or first: slipway subscriber rm {name}",
            )
        new = Subscriber(name=name, group=group, password=secrets.token_urlsafe(24))
        self._replace([*known, new])
        return new

    def remove(self, name: str) -> None:
        """Take one away; a running server ends its connections.

        Raises:
            SubscriberError: there is none of this name.
        """
        known = self.all()
        rest = [each for each in known if each.name != name]
        if len(rest) == len(known):
            raise SubscriberError(
                f"There is no subscriber {name}.", remedy="See them: slipway subscriber list"
            )
        self._replace(rest)

    def url(self, subscriber: Subscriber) -> str:
        """Return where and as whom it connects."""
        port = self._folder.load().ports.get("nats", 0)
        return f"nats://{subscriber.name}:{subscriber.password}@{LOOPBACK}:{port}"

    def _replace(self, subscribers: Sequence[Subscriber]) -> None:
        private_files.write_json(self._file, [asdict(each) for each in subscribers])
        supervisor = running_supervisor(self._folder)
        if supervisor is not None:
            _retell(self._folder.nats_config, subscribers)
            supervisor.reload("nats")


def users(subscribers: Iterable[Subscriber]) -> list[dict[str, object]]:
    """Return their entries in the server's configuration."""
    return [each.user for each in subscribers]


def _retell(config: Path, subscribers: Iterable[Subscriber]) -> None:
    """Change nothing but the users: the server takes no other change while it runs."""
    content: dict[str, Any] = json.loads(config.read_text())
    own = [each for each in content["authorization"]["users"] if each["user"] in _RESERVED]
    content["authorization"]["users"] = [*own, *users(subscribers)]
    private_files.write_json(config, content)
