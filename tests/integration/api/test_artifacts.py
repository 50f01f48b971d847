"""Artifacts: listed, found where somebody placed them, adopted, and hidden."""

import hashlib
from pathlib import Path

import httpx
import pytest
from api_world import SOURCE, SOURCE_DIGEST, Api, problem
from slipway_api.submitting.outgoing import outgoing
from slipway_contracts.commands import Build
from slipway_contracts.envelope import new_id
from slipway_contracts.installation_events import ArtifactHidden

GROUP = "/v1/groups/default"
ARTIFACTS = f"{GROUP}/artifacts"
BUILDS = f"{GROUP}/deployments/digits/builds"


@pytest.fixture
def incoming(api: Api) -> Path:
    """The folder in which people place files."""
    folder = api.service.settings.blob_root / "incoming"
    folder.mkdir(parents=True)
    return folder


def placed(incoming: Path, path: str, content: bytes = SOURCE) -> str:
    file = incoming / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def listed(client: httpx.AsyncClient, *, hidden: bool = False) -> list[str]:
    answer = await client.get(ARTIFACTS, params={"hidden": hidden})
    assert answer.status_code == 200, answer.text
    return [artifact["digest"] for artifact in answer.json()["items"]]


async def adopt(client: httpx.AsyncClient, path: str, **body: object) -> httpx.Response:
    return await client.post(f"{ARTIFACTS}/adopt", json={"path": path, **body})


async def test_what_was_placed_by_hand_is_found_and_adopted(api: Api, incoming: Path) -> None:
    digest = placed(incoming, "models/digits.tar.gz")
    found = (await api.http.get(f"{ARTIFACTS}/found")).json()["items"]

    answer = await adopt(api.http, "models/digits.tar.gz")

    assert [(file["path"], file["size_bytes"]) for file in found] == [("models/digits.tar.gz", len(SOURCE))]
    assert answer.status_code == 201, answer.text
    artifact = answer.json()
    assert (artifact["digest"], artifact["name"]) == (digest, "models/digits.tar.gz")
    assert (artifact["origin"], artifact["created_by"], artifact["hidden"]) == ("adopted", "admin", False)
    assert await listed(api.http) == [digest]
    assert (await api.http.get(f"{ARTIFACTS}/found")).json()["items"] == []
    assert (await api.http.head(f"{ARTIFACTS}/{digest}")).status_code == 200


async def test_adopting_twice_changes_nothing(api: Api, incoming: Path) -> None:
    placed(incoming, "digits.tar.gz")

    first, second = await adopt(api.http, "digits.tar.gz"), await adopt(api.http, "digits.tar.gz")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


async def test_a_file_adopted_as_a_version_is_built(api: Api, incoming: Path) -> None:
    digest = placed(incoming, "digits.tar.gz")
    body = {"path": "digits.tar.gz", "as": "version", "deployment": "digits", "label": "v1"}

    key = {"Idempotency-Key": "once"}
    answer, again = [await api.http.post(f"{ARTIFACTS}/adopt", json=body, headers=key) for _ in range(2)]

    assert answer.status_code == 202, answer.text
    assert again.json()["operation"]["id"] == answer.json()["operation"]["id"]
    commands = [each.message async for each in api.platform.log.read("slipway.*.*.cmd.builder.>", after=0)]
    (build,) = commands
    assert isinstance(build, Build)
    assert (build.source, build.label, build.deployment) == (digest, "v1", "digits")


async def test_a_dry_run_adopts_nothing(api: Api, incoming: Path) -> None:
    placed(incoming, "digits.tar.gz")

    answer = await api.http.post(
        f"{ARTIFACTS}/adopt", json={"path": "digits.tar.gz"}, params={"dry_run": True}
    )

    assert (answer.status_code, answer.json()["path"]) == (200, "digits.tar.gz")
    assert await listed(api.http) == []


@pytest.mark.parametrize("path", ["missing.tar.gz", "../blobs/secret", "/etc/passwd", ".hidden"])
async def test_what_is_not_there_is_refused(api: Api, incoming: Path, path: str) -> None:
    placed(incoming, ".hidden")

    problem(await adopt(api.http, path), 404, "FoundFileMissing")


async def test_a_folder_that_is_named_like_a_group_is_that_groups(api: Api, incoming: Path) -> None:
    await api.http.put("/v1/groups/team", json={})
    placed(incoming, "team/model.bin")
    placed(incoming, "default/model.bin")

    found = [file["path"] for file in (await api.http.get(f"{ARTIFACTS}/found")).json()["items"]]

    assert found == ["default/model.bin"]
    problem(await adopt(api.http, "team/model.bin"), 404, "FoundFileMissing")


async def test_the_source_of_a_build_is_listed_with_its_deployments(api: Api) -> None:
    await api.upload()
    built = await api.http.post(BUILDS, json={"source": SOURCE_DIGEST})
    await api.http.get(BUILDS, params={"at_least": built.json()["sequence"]})

    (artifact,) = (await api.http.get(ARTIFACTS)).json()["items"]

    assert (artifact["digest"], artifact["origin"]) == (SOURCE_DIGEST, "source")
    assert artifact["deployments"] == ["digits"]
    assert artifact["size_bytes"] == len(SOURCE)


async def test_a_hidden_artifact_is_neither_listed_nor_built_until_it_is_shown_again(api: Api) -> None:
    await api.upload()
    built = await api.http.post(BUILDS, json={"source": SOURCE_DIGEST})
    await api.http.get(BUILDS, params={"at_least": built.json()["sequence"]})

    hidden = await api.http.post(f"{ARTIFACTS}/{SOURCE_DIGEST}/hide")
    refused = await api.http.post(BUILDS, json={"source": SOURCE_DIGEST})
    while_hidden = (await listed(api.http), await listed(api.http, hidden=True))
    shown = await api.http.post(f"{ARTIFACTS}/{SOURCE_DIGEST}/unhide")
    accepted = await api.http.post(BUILDS, json={"source": SOURCE_DIGEST})

    assert (hidden.json()["hidden"], shown.json()["hidden"]) == (True, False)
    assert problem(refused, 409, "ArtifactHidden")["source"] == SOURCE_DIGEST
    assert while_hidden == ([], [SOURCE_DIGEST])
    assert accepted.status_code == 202
    assert await listed(api.http) == [SOURCE_DIGEST]


async def test_what_is_not_stored_cannot_be_hidden(api: Api) -> None:
    problem(await api.http.post(f"{ARTIFACTS}/{SOURCE_DIGEST}/hide"), 404, "ArtifactNotFound")


async def test_who_hid_what_the_log_does_not_say_it_has_is_told_to_send_it_again(api: Api) -> None:
    event = ArtifactHidden(group="default", digest=SOURCE_DIGEST, hidden=True, by="ada")
    await api.platform.log.publish(outgoing(event, identifier=new_id()))

    refused = await api.http.post(f"{ARTIFACTS}/{SOURCE_DIGEST}/unhide")
    await api.upload()
    shown = await api.http.post(f"{ARTIFACTS}/{SOURCE_DIGEST}/unhide")

    assert "uploaded again" in problem(refused, 404, "ArtifactNotFound")["detail"]
    assert shown.json()["hidden"] is False


async def test_pages_of_artifacts_show_each_once(api: Api, incoming: Path) -> None:
    digests = set()
    for number in range(5):
        digests.add(placed(incoming, f"{number}.bin", b"%d" % number))
        await adopt(api.http, f"{number}.bin")

    seen, token = [], None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        page = (await api.http.get(ARTIFACTS, params=query)).json()
        seen += [artifact["digest"] for artifact in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break

    assert seen == sorted(digests)
