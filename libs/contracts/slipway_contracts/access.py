"""Who may call an endpoint. Nothing here is secret: passwords are digests, keys are ids of signed tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.names import OperationId

MOST_USERS: Final = 200
MOST_KEYS: Final = 200
"""Of one deployment, those that open something: each of its records and of its routes holds them all."""


class AccessMode(StrEnum):
    """How a caller of an endpoint shows that it may."""

    OPEN = "open"
    BASIC = "basic"
    KEYS = "keys"


class BasicUser(BaseModel):
    """A user of basic authentication, with a generated password of 256 random bits."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    password_sha1: str = Field(
        pattern=r"^[A-Za-z0-9+/]{27}=$",
        description="Base64 of the SHA-1, as htpasswd's `{SHA}` and Envoy have it.",
    )
    created_at: AwareDatetime


class EndpointKey(BaseModel):
    """An issued key: a signed token (EdDSA JWT) whose claims name the deployment, this id and the end.

    Claims: `iss` `slipway`, `aud` `<group>/<deployment id>`, `jti` this id, `exp` where it expires.
    """

    model_config = ConfigDict(frozen=True)

    id: OperationId
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    created_at: AwareDatetime
    created_by: str
    expires_at: AwareDatetime | None = None
    revoked: bool = False
    replaced_by: OperationId | None = Field(
        default=None,
        description="The key that a rotation made in its place; beside that it opens for a while.",
    )

    def opens_at(self, moment: datetime) -> bool:
        """Return whether it lets its caller in then."""
        return not self.revoked and (self.expires_at is None or self.expires_at > moment)


class Access(BaseModel):
    """Who may call the endpoints of a deployment; enforced by the gateway."""

    model_config = ConfigDict(frozen=True)

    mode: AccessMode = AccessMode.OPEN
    users: tuple[BasicUser, ...] = ()
    keys: tuple[EndpointKey, ...] = ()
