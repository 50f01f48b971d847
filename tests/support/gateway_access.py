"""Who may call, as tests of the gateway say it: issued keys, users, and the headers of requests."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from gateway_world import AT, DeploymentStory, make_endpoint
from jwt.algorithms import OKPAlgorithm
from slipway_contracts.access import Access, AccessMode, BasicUser, EndpointKey
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.envelope import new_id

URL = "/default/digits/predict"


@dataclass
class Issuer:
    """Issues keys as the api does."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def key_set(self) -> str:
        public = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return json.dumps({"keys": [public | {"kid": "1", "use": "sig", "alg": "EdDSA"}]})

    def token(self, key: str, *, audience: str = "default/digits", **claims: Any) -> str:
        payload = {"iss": "slipway", "aud": audience, "jti": key} | claims
        return jwt.encode(payload, self.private, algorithm="EdDSA", headers={"kid": "1"})


async def restart_with_key_set(house: GatewayHouse, key_set: str) -> None:
    await house.stop()
    house.key_set = house.envoy.folder / "jwks.json"
    house.key_set.write_text(key_set)
    house.start()


def make_key(**overrides: Any) -> EndpointKey:
    return EndpointKey(**{"id": new_id(), "name": "ci", "created_at": AT, "created_by": "ada"} | overrides)


def make_user(name: str, password: str) -> BasicUser:
    digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()  # noqa: S324
    return BasicUser(name=name, password_sha1=digest, created_at=AT)


def with_access(story: DeploymentStory, mode: AccessMode, **lists: Any) -> DeploymentStory:
    story.settings = DeploymentSettings(access=Access(mode=mode, **lists))
    return story


async def serving(
    house: GatewayHouse, replica: Replica, deployment: str = "digits", **endpoint: Any
) -> DeploymentStory:
    story = DeploymentStory(deployment=deployment)
    story.add_release(1, make_endpoint(**endpoint))
    story.traffic = {1: 100}
    await house.serve(story.desired, story.fact(story.workload(1), address=replica.address))
    return story


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": aiohttp.encode_basic_auth(name, password)}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def reason(house: GatewayHouse, headers: Mapping[str, str], path: str = URL) -> tuple[int, str | None]:
    status, told = await house.get(path, headers=headers)
    return status, told.get("reason")
