"""What messages of the log look like is served to everybody, as it is committed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from api_world import Api, problem
from eventually import eventually
from jsonschema import Draft7Validator, Draft202012Validator
from slipway_chassis.connection import Connection
from slipway_chassis.nats_client import Msg
from slipway_contracts.codec import MESSAGE_TYPES

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "libs" / "contracts" / "schemas"


async def test_every_type_is_listed_with_a_schema_that_anybody_may_read(api: Api) -> None:
    anybody = api.client(None)

    listed = (await anybody.get("/v1/schemas")).json()["items"]

    assert [each["type"] for each in listed] == list(MESSAGE_TYPES)
    for each in listed:
        answer = await anybody.get(each["url"])
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.text == (SCHEMAS / f"{each['type']}.json").read_text()
        Draft202012Validator.check_schema(answer.json())


async def test_a_type_is_listed_with_when_and_where_it_is_sent(api: Api) -> None:
    listed = (await api.client(None).get("/v1/schemas")).json()["items"]

    (ready,) = (each for each in listed if each["type"] == "release.ready.v1")
    assert ready == {
        "type": "release.ready.v1",
        "meaning": "All its replicas were seen ready; emitted by the deployer.",
        "subject": "slipway.{group}.{deployment}.evt.release.ready",
        "url": "/v1/schemas/release.ready.v1",
    }


async def test_the_asyncapi_document_is_the_published_one(api: Api) -> None:
    answer = await api.client(None).get("/asyncapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (ROOT / "docs" / "asyncapi.json").read_text()


async def test_what_a_subscriber_gets_from_nats_is_as_the_document_says(
    api: Api, connection: Connection
) -> None:
    document = (await api.client(None).get("/asyncapi.json")).json()
    got: list[Msg] = []

    async def keep(message: Msg) -> None:
        got.append(message)

    await connection.nc.subscribe("slipway.default.>", cb=keep)
    await api.platform.publish_version()
    created = await api.create()
    await api.platform.bring_live(created.json()["operation"]["id"])
    await eventually(lambda: any(message.subject.endswith("operation.succeeded") for message in got))

    channels = {re.sub(r"\{\w+\}", "[^.]+", each["address"]): each for each in document["channels"].values()}
    for message in got:
        (channel,) = (each for pattern, each in channels.items() if re.fullmatch(pattern, message.subject))
        assert message.headers is not None
        told = document["components"]["messages"][message.headers["ce-type"].removeprefix("dev.slipway.")]
        assert told["name"] in channel["messages"]
        for schema, value in (
            (told["headers"], message.headers),
            (told["payload"], json.loads(message.data)),
        ):
            Draft7Validator({"allOf": [schema], "components": document["components"]}).validate(value)
    assert {"command.deploy.v1", "release.live.v1", "desired.v1"} <= {
        json.loads(message.data)["type"] for message in got
    }


async def test_the_schema_of_manifests_tells_what_a_source_must_say(api: Api) -> None:
    answer = await api.client(None).get("/v1/schemas/manifest")

    assert answer.headers["content-type"] == "application/schema+json"
    manifests = Draft202012Validator(answer.json())
    Draft202012Validator.check_schema(answer.json())
    manifests.validate(yaml.safe_load((ROOT / "examples" / "digits" / "slipway.yaml").read_text()))
    assert [error.message for error in manifests.iter_errors({"endpoints": [{"nme": "predict"}]})]


async def test_an_unknown_type_is_refused_with_the_nearest(api: Api) -> None:
    answer = await api.client(None).get("/v1/schemas/release.redy.v1")

    document = problem(answer, 404, "SchemaNotFound")
    assert document["nearest"] == "release.ready.v1"


async def test_nothing_beside_the_schemas_is_open(api: Api) -> None:
    anybody = api.client(None)

    for path in ("/v1/schemasx", "/v1/schemas/a/b", "/v1/schemas/%2e%2e/keys", "/asyncapi.jsonx", "/v1/keys"):
        problem(await anybody.get(path), 401, "KeyMissing")
    too_long = await anybody.get(f"/v1/schemas/{'x' * 129}")
    assert problem(too_long, 422, "InvalidRequest")["errors"][0]["pointer"] == "type"


def test_a_process_that_nobody_asks_does_not_make_the_documents() -> None:
    asked = (
        "import sys, slipway_api.main\n"
        "sys.exit(any(f'slipway_contracts.{name}' in sys.modules for name in ('asyncapi', 'examples')))"
    )

    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
