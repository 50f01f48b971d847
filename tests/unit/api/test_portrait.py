"""Call examples are commands that a shell takes as they are."""

import shlex
from datetime import UTC, datetime

from slipway_api.answers.portrait import Addresses, call_example
from slipway_contracts.access import Access, AccessMode, BasicUser
from slipway_contracts.names import derived_id
from slipway_contracts.version import CommandSpec, EndpointSpec, SmokeTest, Version

AT = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESSES = Addresses(gateway="http://gateway:8000", group="default", name="digits")


def make_version(smoke_test: SmokeTest | None = None, health: str | None = None) -> Version:
    build = derived_id("build")
    endpoint = EndpointSpec(
        name="predict",
        image=f"sha256:{1:064x}",
        command=CommandSpec(argv=("serve",)),
        smoke_test=smoke_test,
        health=health,
    )
    return Version(
        id=build,
        group="default",
        deployment="digits",
        label="1",
        build=build,
        endpoints=(endpoint,),
        python="3.11",
        platform="linux/amd64",
        created_at=AT,
        created_by="ada",
    )


def test_an_open_endpoint_is_called_at_its_health_path_or_its_root() -> None:
    root, health = call_example(Access(), ADDRESSES, make_version()), make_version(health="/healthz")

    assert root == "curl http://gateway:8000/default/digits/predict/"
    assert call_example(Access(), ADDRESSES, health) == (
        "curl http://gateway:8000/default/digits/predict/healthz"
    )


def test_the_smoke_test_shows_how_to_call_whatever_is_in_its_body() -> None:
    test = SmokeTest(
        method="POST", path="/predict?x=1", headers={"content-type": "application/json"}, body="it's $HOME"
    )

    words = shlex.split(call_example(Access(), ADDRESSES, make_version(test)) or "")

    assert words == [
        *("curl", "-X", "POST", "-H", "content-type: application/json", "--data-raw", "it's $HOME"),
        "http://gateway:8000/default/digits/predict/predict?x=1",
    ]


def test_the_placeholder_is_that_of_the_mode() -> None:
    user = BasicUser.model_validate({"name": "shop", "password_sha1": "A" * 27 + "=", "created_at": AT})
    basic = call_example(Access(mode=AccessMode.BASIC, users=(user,)), ADDRESSES, make_version())
    keys = call_example(Access(mode=AccessMode.KEYS), ADDRESSES, make_version())

    assert basic is not None
    assert keys is not None
    assert '-u "shop:$PASSWORD"' in basic
    assert '-H "Authorization: Bearer $KEY"' in keys
    assert call_example(Access(), ADDRESSES, None) is None
