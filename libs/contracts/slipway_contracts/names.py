"""Identifiers and the rules they obey.

Only names of this module may become tokens of a subject; labels may hold dots and therefore never do.
"""

import re
import uuid
from typing import Annotated, Final

from pydantic import StringConstraints

NAME_PATTERN: Final = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
LABEL_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
ID_PATTERN: Final = r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
GroupName = Name
DeploymentId = Name
EndpointName = Name
TargetName = Name
AliasName = Name
SecretName = Name
InstanceTypeName = Name
Label = Annotated[str, StringConstraints(pattern=LABEL_PATTERN)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
WorkloadId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
ReplicaId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,128}$")]
OperationId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
BuildId = OperationId
VersionId = OperationId

ILL_NAMED: Final = "ill-named"
"""Stands for what is no name where something has to be told of it."""

_NAMESPACE: Final = uuid.UUID("5b1f6f0e-6a41-5f0b-9f6e-2d5c6f0d8a11")


def is_name(text: str) -> bool:
    """Return whether this can be the name of a group, a deployment, and so on."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def is_id(text: str) -> bool:
    """Return whether this can be the id of an operation, a build, and so on."""
    return re.fullmatch(ID_PATTERN, text) is not None


def derived_id(*parts: str | int) -> str:
    """Return the UUIDv5 of these parts: the same parts give the same id, on every retry."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))
