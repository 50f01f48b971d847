"""What the log has stored, and this process does not come to know."""

import asyncio

import pytest
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.installation_events import GroupConfigured


async def test_nobody_waits_for_ever_for_a_process_that_does_not_follow_the_log(log: EventLog) -> None:
    configuring = Configuring(log=log, directory=Directory(log=log, patience=0.1))
    group = GroupConfigured(group="vision")

    async with asyncio.timeout(30):
        with pytest.raises(LogUnavailableError, match="does not follow the log"):
            await configuring.publish(group)

    stored = await log.last(subjects.of(group))
    assert stored is not None
    assert stored.message == group
