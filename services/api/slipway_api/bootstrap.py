"""Makes a fresh installation usable: `python -m slipway_api.bootstrap`.

Publishes the admin's key, of which it is given only the digest, and the group `default`; what is in the log
already is left as it is, so running it again changes nothing.
"""

import asyncio
import sys
from contextlib import aclosing
from typing import Final

from pydantic import Field
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.settings import ServiceSettings, SettingsError
from slipway_contracts import subjects
from slipway_contracts.installation_events import GroupConfigured, KeyConfigured, RoleGrant
from slipway_contracts.names import Digest, derived_id

from slipway_api.identity.access import ANY_GROUP, key_id
from slipway_api.submitting.outgoing import outgoing

ADMIN: Final = "admin"
DEFAULT_GROUP: Final = "default"


class BootstrapSettings(ServiceSettings):
    """Where the log is, and the digest of the admin's key."""

    bootstrap_key_digest: Digest = Field(description="SHA-256 of the admin's key.")


async def bootstrap(log: EventLog, digest: str) -> list[KeyConfigured | GroupConfigured]:
    """Publish what is absent, and return it.

    Raises:
        LogUnavailableError: the log did not confirm; run it again.
    """
    grant = RoleGrant(group=ANY_GROUP, role="admin")
    wanted: dict[str, KeyConfigured | GroupConfigured] = {
        key_id(digest): KeyConfigured(key=key_id(digest), digest=digest, user=ADMIN, grants=(grant,)),
        DEFAULT_GROUP: GroupConfigured(group=DEFAULT_GROUP, description="The first group."),
    }
    present = await _present(log)
    absent = [message for name, message in wanted.items() if name not in present]
    for message in absent:
        identifier = derived_id("bootstrap", message.model_dump_json())
        await log.publish(outgoing(message, identifier=identifier))
    return absent


async def _present(log: EventLog) -> set[str]:
    names: set[str] = set()
    async with aclosing(log.follow(subjects.INSTALLATION_EVENTS, start=After(0))) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            match item.readable:
                case KeyConfigured(key=name) | GroupConfigured(group=name):
                    names.add(name)
                case _:
                    pass
    return names


async def _run(settings: BootstrapSettings) -> None:
    connection = await Connection.open(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name="slipway-api bootstrap",
    )
    try:
        made = await bootstrap(EventLog(connection=connection), settings.bootstrap_key_digest)
    finally:
        await connection.close()
    for message in made:
        sys.stdout.write(f"{message.type}\n")


def main() -> None:
    """Publish the admin's key and the first group, where they are absent."""
    try:
        settings = BootstrapSettings.load()
    except SettingsError as error:
        sys.exit(f"slipway-api bootstrap: {error}")
    asyncio.run(_run(settings))


if __name__ == "__main__":
    main()
