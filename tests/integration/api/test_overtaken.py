"""What becomes of a change when others publish between its decision and its message."""

from functools import partial
from pathlib import Path
from typing import cast

import pytest
from api_world import Api
from overtaken_log import OvertakenLog
from slipway_api.commands.dead import DeadMessageCommands
from slipway_api.identity.access import ANY_GROUP, Principal
from slipway_api.installation.configurations import Configurations
from slipway_api.installation.directory import Directory
from slipway_api.installation.holdings import Holdings
from slipway_api.reading.archive import Archive
from slipway_api.reading.versions import Versions
from slipway_api.refusing import problems
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.submissions import ATTEMPTS, Submissions
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_contracts.envelope import new_id
from slipway_contracts.events import MessageDead
from slipway_contracts.installation_events import RoleGrant
from slipway_store.queries import open_reads

OWNER = {"group": "default", "deployment": "digits"}


def ask(if_match: int | None = None) -> Ask:
    grants = (RoleGrant.model_validate({"group": ANY_GROUP, "role": "admin"}),)
    caller = Principal(key="k", user="ada", grants=grants)
    return Ask(caller=caller, id=new_id(), digest="d", repeatable=False, if_match=if_match)


async def give_up(api: Api, sequence: int) -> int:
    return await api.platform.tell(
        MessageDead(
            **OWNER,
            service="deployer",
            sequence=sequence,
            message_id=new_id(),
            message_type="command.deploy.v1",
            deliveries=20,
            error="PermanentError: gone",
        )
    )


async def test_a_discard_that_is_stored_at_the_last_attempt_is_no_failure(
    api: Api, connection: Connection
) -> None:
    await api.platform.publish_version()
    dead = int((await api.create()).json()["sequence"])
    await give_up(api, dead)
    log = OvertakenLog(connection=connection, others=partial(give_up, api, dead - 1), times=ATTEMPTS - 1)
    reads = await open_reads(api.service.settings.database_url.get_secret_value())
    commands = DeadMessageCommands(
        submissions=cast("Submissions", None),
        log=log,
        reads=reads,
        build_timeout=api.service.settings.build_timeout,
    )

    discarded = await commands.discard(ask(), dead)
    await reads.close()

    assert (discarded.state, discarded.settled_by) == ("discarded", "ada")


async def test_a_version_is_hidden_only_while_the_deployment_is_as_the_caller_saw_it(
    api: Api, connection: Connection, tmp_path: Path
) -> None:
    version = await api.platform.publish_version()
    seen = (await api.create()).json()["sequence"]
    stop = partial(api.http.post, "/v1/groups/default/deployments/digits/stop")
    log = OvertakenLog(connection=connection, others=stop, times=1)
    settings = api.service.settings
    reads = await open_reads(settings.database_url.get_secret_value())
    await reads.wait_for(seen, settings.projection_timeout)
    blobs = FilesystemBlobStore(tmp_path)
    directory = Directory(log=log)
    configurations = Configurations(
        log=log,
        reads=reads,
        blobs=blobs,
        holdings=Holdings(directory=directory, reads=reads),
        directory=directory,
        patience=settings.projection_timeout,
    )
    archive = Archive(log=log, reads=reads, configurations=configurations)

    with pytest.raises(problems.PreconditionFailedError):
        await Versions(log=log, archive=archive, blobs=blobs).hide(
            ask(if_match=seen), "default", "digits", version.label, hidden=True
        )
    await reads.close()

    assert await log.last("slipway.default.digits.evt.version.hidden") is None
