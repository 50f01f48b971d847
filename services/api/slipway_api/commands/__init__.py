"""The mutations of the API: each resolves a request into complete commands and submits them.

Refuses what can be refused now; whether a command has its effect is decided by the service that takes it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from slipway_chassis.event_log import EventLog
from slipway_store.queries import Reads

from slipway_api.commands.aliases import AliasCommands
from slipway_api.commands.baselines import Baselines
from slipway_api.commands.builds import BuildCommands
from slipway_api.commands.dead import DeadMessageCommands
from slipway_api.commands.ends import EndCommands
from slipway_api.commands.namespace import Namespace
from slipway_api.commands.releases import ReleaseCommands
from slipway_api.commands.resolution import Resolution
from slipway_api.commands.returns import ReturnCommands
from slipway_api.commands.settings import SettingsCommands
from slipway_api.identity.endpoint_keys import EndpointKeys
from slipway_api.installation.configurations import Configurations
from slipway_api.reading.archive import Archive
from slipway_api.submitting.submissions import Submissions


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What users can ask for."""

    builds: BuildCommands
    releases: ReleaseCommands
    returns: ReturnCommands
    aliases: AliasCommands
    settings: SettingsCommands
    ends: EndCommands
    dead: DeadMessageCommands

    @classmethod
    def of(
        cls,
        *,
        submissions: Submissions,
        configurations: Configurations,
        log: EventLog,
        reads: Reads,
        archive: Archive,
        keys: EndpointKeys,
        build_timeout: timedelta,
    ) -> Self:
        """Compose them."""
        baselines = Baselines(log=log, archive=archive, configurations=configurations)
        namespace = Namespace(reads=reads)
        builds = BuildCommands(
            submissions=submissions,
            configurations=configurations,
            log=log,
            reads=reads,
            timeout=build_timeout,
        )
        releases = ReleaseCommands(
            submissions=submissions,
            configurations=configurations,
            resolution=Resolution(configurations=configurations),
            baselines=baselines,
            archive=archive,
            namespace=namespace,
            builds=builds,
            log=log,
        )
        returns = ReturnCommands(
            submissions=submissions,
            configurations=configurations,
            baselines=baselines,
            archive=archive,
            log=log,
        )
        return cls(
            builds=builds,
            releases=releases,
            returns=returns,
            aliases=AliasCommands(submissions=submissions, archive=archive, namespace=namespace, log=log),
            settings=SettingsCommands(submissions=submissions, keys=keys, log=log),
            ends=EndCommands(submissions=submissions, archive=archive, log=log),
            dead=DeadMessageCommands(
                submissions=submissions, log=log, reads=reads, build_timeout=build_timeout
            ),
        )
