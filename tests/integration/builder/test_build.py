"""A source becomes a version: real installer, real blob store, no log."""

import asyncio
import json
import os
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from child_processes import children
from integration.builder.builder_world import SilentIndex, Upload
from slipway_builder.installing.dependencies import Installer, RequirementsUnresolvableError
from slipway_builder.installing.host_base import PythonNotAvailableError
from slipway_builder.journal.failures import failure_of
from slipway_builder.journal.steps import StepEvent, Steps
from slipway_builder.making.source_build import Draft, SourceBuild
from slipway_builder.source.code_files import EndpointFileMissingError
from slipway_builder.source.manifest_file import ManifestMissingError
from slipway_builder.source.source_archive import ArchiveLimits
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_contracts.events import BuildStepFinished
from slipway_contracts.failure import Reason

MakeWheel = Callable[..., tuple[str, bytes]]
Build = Callable[..., Awaitable[Draft]]
BUILD = "01890000-0000-7000-8000-000000000001"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "valohai"
GREET = "endpoints:\n  - name: greet\n    server-command: python greet.py $PORT\n"


class Told:
    def __init__(self) -> None:
        self.events: list[StepEvent] = []
        self.lines: list[str] = []

    async def publish(self, event: StepEvent) -> None:
        self.events.append(event)

    @property
    def details(self) -> dict[str, str]:
        return {each.step: each.detail for each in self.events if isinstance(each, BuildStepFinished)}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def build(tmp_path: Path, blobs: FilesystemBlobStore, installer: Installer, told: Told) -> Build:
    numbers = iter(range(100))

    async def run(source: str, *, store: FilesystemBlobStore = blobs) -> Draft:
        folder = tmp_path / f"work-{next(numbers)}"
        folder.mkdir()
        steps = Steps(
            group="default", deployment="digits", build=BUILD, publish=told.publish, line=told.lines.append
        )
        work = SourceBuild(
            source=source,
            folder=folder,
            blobs=store,
            installer=installer,
            limits=ArchiveLimits(),
            steps=steps,
        )
        return await work.run()

    return run


def read(blobs: FilesystemBlobStore, digest: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(blobs.path_of(digest).read_bytes())
    return document


def files_of(blobs: FilesystemBlobStore, image: str) -> list[str]:
    names = []
    for layer in read(blobs, image)["layers"]:
        with tarfile.open(blobs.path_of(layer["digest"])) as tar:
            names += [member.name for member in tar.getmembers() if not member.isdir()]
    return names


async def test_a_smoke_test_of_the_manifest_is_kept_with_the_version(build: Build, upload: Upload) -> None:
    test = "    smoke-test: {path: /greet, json: {name: Ada}, expect: {json: {text: hello}}}\n"

    draft = await build(await upload({"slipway.yaml": GREET + test, "greet.py": ""}))

    (endpoint,) = draft.endpoints
    assert endpoint.smoke_test is not None
    assert (endpoint.smoke_test.method, endpoint.smoke_test.body) == ("POST", '{"name": "Ada"}')
    assert endpoint.smoke_test.json_shape == {"text": "hello"}


async def test_the_valohai_fixture_becomes_two_images_that_share_their_lower_layers(
    blobs: FilesystemBlobStore, upload: Upload, build: Build
) -> None:
    source = await upload({path.name: path.read_bytes() for path in FIXTURE.iterdir()})

    draft = await build(source)

    greet, predict = draft.endpoints
    assert (greet.command.shell, greet.fixed_port) == ("python -m wsgiref.simple_server", 8000)
    assert (predict.command.argv[2:], predict.fixed_port) == (
        ("slipway_serve", "wsgi", "predict_wsgi:predict_wsgi"),
        None,
    )
    layers = [read(blobs, each.image)["layers"] for each in draft.endpoints]
    assert layers[1][:2] == layers[0]
    assert len(layers[1]) == 3
    assert "app/model.pb" in files_of(blobs, predict.image)
    assert "app/model.pb" not in files_of(blobs, greet.image)
    assert {"opt/slipway/server/slipway_serve.py", "app/predict_wsgi.py"} <= set(files_of(blobs, greet.image))
    assert " listens on port 8000" in draft.notices[0]
    assert len(draft.notices) == 3


async def test_an_image_is_described_by_the_oci_specification(
    blobs: FilesystemBlobStore, upload: Upload, build: Build, told: Told
) -> None:
    draft = await build(await upload({"slipway.yaml": GREET, "greet.py": "x"}))

    manifest = read(blobs, draft.endpoints[0].image)
    config = read(blobs, manifest["config"]["digest"])
    index = read(blobs, told.details["images"].rpartition(" ")[2])
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["size"] == blobs.path_of(manifest["config"]["digest"]).stat().st_size
    assert config["config"]["Cmd"] == ["/bin/sh", "-c", "python greet.py $PORT"]
    assert config["config"]["WorkingDir"] == "/app"
    assert config["config"]["Labels"] == {"dev.slipway.python": draft.python}
    assert f"{config['os']}/{config['architecture']}" == draft.platform
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 1
    assert index["manifests"][0]["digest"] == draft.endpoints[0].image


async def test_the_same_source_is_the_same_images_in_another_store(
    tmp_path: Path, blobs: FilesystemBlobStore, upload: Upload, build: Build, make_wheel: MakeWheel
) -> None:
    name, wheel = make_wheel()
    manifest = f"{GREET}requirements: [./{name}]\n"
    files: dict[str, str | bytes] = {"slipway.yaml": manifest, "greet.py": "x", name: wheel}
    source = await upload(files)
    other = FilesystemBlobStore(tmp_path / "other")
    await other.put(blobs.open(source))

    drafts = [await build(source), await build(source, store=other)]

    assert drafts[0] == drafts[1]


async def test_a_code_only_change_builds_the_code_layer_and_nothing_else(
    upload: Upload, build: Build, told: Told
) -> None:
    files = {"slipway.yaml": GREET + "    files: [{name: m, path: model}]\n", "model": "w", "greet.py": "one"}
    await build(await upload(files))

    await build(await upload(files | {"greet.py": "two"}))

    assert told.details["files"].startswith("model: reused layer sha256:")
    assert told.details["code"].startswith("built layer sha256:")


async def test_packages_of_an_index_are_not_resolved_again_for_a_code_only_change(
    upload: Upload, build: Build, told: Told
) -> None:
    application = {"slipway.yaml": "endpoints: [{name: a, wsgi: 'app:a'}]", "app.py": "one"}
    await build(await upload(application))
    told.lines.clear()

    await build(await upload(application | {"app.py": "two"}))

    assert told.details["dependencies"].startswith("server: reused layer sha256:")
    assert not any("Resolved" in line for line in told.lines)


async def test_steps_are_told_in_order_with_their_times(upload: Upload, build: Build, told: Told) -> None:
    await build(await upload({"slipway.yaml": GREET, "greet.py": "x"}))

    assert [(each.type.split(".")[1], each.step) for each in told.events] == [
        (kind, step)
        for step in ("source", "manifest", "dependencies", "code", "images")
        for kind in ("step-started", "step-finished")
    ]
    assert all(each.seconds >= 0 for each in told.events if isinstance(each, BuildStepFinished))


@pytest.mark.parametrize(
    ("files", "error", "reason"),
    [
        ({"greet.py": "x"}, ManifestMissingError, Reason.MANIFEST_MISSING),
        (
            {"slipway.yaml": GREET + "    files: [{name: m, path: model.pb}]\n"},
            EndpointFileMissingError,
            Reason.ENDPOINT_FILE_MISSING,
        ),
        (
            {"slipway.yaml": GREET + "python: 2.7\n"},
            PythonNotAvailableError,
            Reason.PYTHON_NOT_AVAILABLE,
        ),
        (
            {"slipway.yaml": GREET + "requirements: [slipway-no-such-package==1]\n"},
            RequirementsUnresolvableError,
            Reason.REQUIREMENTS_UNRESOLVABLE,
        ),
    ],
)
async def test_bad_input_ends_with_a_reason_and_a_hint(
    upload: Upload, build: Build, files: dict[str, str], error: type[Exception], reason: Reason
) -> None:
    source = await upload(files)

    with pytest.raises(error) as caught:
        await build(source)

    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.reason is reason
    assert failure.message
    assert failure.hint


async def test_a_source_that_is_not_stored_is_told(build: Build) -> None:
    with pytest.raises(BlobMissingError) as caught:
        await build("sha256:" + "0" * 64)

    failure = failure_of(caught.value)
    assert failure is not None
    assert failure.reason is Reason.SOURCE_MISSING


async def test_a_canceled_build_leaves_no_process_behind(
    upload: Upload, build: Build, told: Told, silent_index: SilentIndex
) -> None:
    source = await upload({"slipway.yaml": f"{GREET}requirements: ['{silent_index.wheel}']\n"})
    running = asyncio.ensure_future(build(source))
    await asyncio.wait_for(silent_index.asked.wait(), timeout=10)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert children() == []
    assert [(each.type, each.step) for each in told.events][-1] == ("build.step-started.v1", "dependencies")


async def test_a_source_that_was_damaged_in_the_store_can_be_uploaded_again(
    build: Build, upload: Upload, blobs: FilesystemBlobStore
) -> None:
    files: dict[str, str | bytes] = {"slipway.yaml": GREET, "greet.py": "pass", "model.bin": os.urandom(9000)}
    source = await upload(files)
    path = blobs.path_of(source)
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:5000])

    with pytest.raises(BlobMissingError, match="was damaged, and is removed") as ended:
        await build(source)
    is_stored = await blobs.exists(source)
    again = await upload(files)

    assert not is_stored
    failure = failure_of(ended.value)
    assert failure is not None
    assert (failure.reason, failure.hint[:23]) == (Reason.SOURCE_MISSING, "Upload the source again")
    assert again == source
    assert (await build(again)).endpoints
