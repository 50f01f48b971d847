"""What a user does wrong ends in a failure record that says what to do, and changes nothing that served."""

import asyncio
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e.running_platform import FIXTURES, RunningPlatform, ended
from slipway.documents import Configuration

LISTENS_ELSEWHERE = (FIXTURES / "greeter" / "app.py").read_text().replace('int(os.environ["PORT"])', "18123")


def endpoint(*lines: str) -> str:
    return "\n".join(("endpoints:", "  - name: greet", *(f"    {line}" for line in lines), ""))


SERVER = 'server-command: "sleep 1000"'
SOURCES: dict[str, tuple[dict[str, str], str, str]] = {
    "broken-manifest": ({"slipway.yaml": "endpoints: ["}, "ManifestInvalid", "slipway.yaml:"),
    "unknown-key": (
        {"slipway.yaml": endpoint(SERVER, "helth: /")},
        "ManifestInvalid",
        "`helth`; did you mean `health`",
    ),
    "missing-file": (
        {"slipway.yaml": endpoint("wsgi: app:app", "files:", "  - {name: model, path: model.pb}")},
        "EndpointFileMissing",
        "model.pb",
    ),
    "unresolvable": (
        {"slipway.yaml": endpoint(SERVER) + 'requirements: ["no-such-package-of-slipway==9"]\n'},
        "RequirementsUnresolvable",
        "no-such-package-of-slipway",
    ),
    "exits-at-once": (
        {"slipway.yaml": endpoint('server-command: "echo the last words; exit 3"')},
        "ReplicaExited",
        "code 3",
    ),
    "never-listens": ({"slipway.yaml": endpoint(SERVER)}, "NeverListened", "did not listen on port"),
    "wrong-port": (
        {"slipway.yaml": endpoint("server-command: python app.py"), "app.py": LISTENS_ELSEWHERE},
        "WrongPort",
        "18123",
    ),
    "never-healthy": (
        {
            "slipway.yaml": endpoint("server-command: python app.py", "health: /missing"),
            "app.py": (FIXTURES / "greeter" / "app.py").read_text().replace("(200)", "(503)"),
        },
        "HealthCheckFailed",
        "/missing",
    ),
}


def write_source(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def document(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(ran.stdout))


def uploaded(platform: RunningPlatform, folder: Path) -> str:
    """Upload a source as a program does, which need not look at it first; return its digest."""

    async def upload() -> str:
        async with platform.client() as client:
            return await client.upload_folder(folder)

    return asyncio.run(upload())


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_cannot_work_ends_with_a_failure_that_explains_itself(
    platform: RunningPlatform, tmp_path: Path, name: str
) -> None:
    files, reason, words = SOURCES[name]
    digest = uploaded(platform, write_source(tmp_path / name, files))

    ran = platform.slipway("deploy", digest, "--name", name, "--deadline", "3s", "--json")

    failure = document(ran)["failure"]
    assert ran.returncode == 1
    assert failure["reason"] == reason
    assert words in failure["message"]
    assert failure["hint"]
    assert document(platform.slipway("show", name, "--json"))["state"] == "FAILED"


@pytest.mark.parametrize("name", ["broken-manifest", "unknown-key"])
def test_what_is_wrong_with_a_manifest_is_told_before_anything_is_uploaded(
    platform: RunningPlatform, tmp_path: Path, name: str
) -> None:
    files, _, words = SOURCES[name]
    folder = write_source(tmp_path / f"{name}-unsent", files)

    ran = platform.slipway("deploy", str(folder))
    shown = platform.slipway("show", f"{name}-unsent")

    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Nothing was uploaded" in ran.stderr
    assert "DeploymentNotFound" in shown.stderr


def test_a_folder_without_a_manifest_is_not_even_uploaded(platform: RunningPlatform, tmp_path: Path) -> None:
    folder = write_source(tmp_path / "bare", {"model.txt": "x"})

    ran = platform.slipway("deploy", str(folder))
    shown = platform.slipway("show", "bare")

    assert ran.returncode == 2
    assert "slipway.yaml" in ran.stderr
    assert "DeploymentNotFound" in shown.stderr


def test_the_last_words_of_an_app_that_exits_are_kept(platform: RunningPlatform, tmp_path: Path) -> None:
    files, _, _ = SOURCES["exits-at-once"]

    ran = platform.slipway("deploy", str(write_source(tmp_path / "last-words", files)), "--json")

    failure = document(ran)["failure"]
    assert failure["exit_code"] == 3
    assert failure["log_tail"] == ["the last words"]


@pytest.mark.usefixtures("serving")
def test_a_failed_deploy_leaves_what_served(platform: RunningPlatform, tmp_path: Path) -> None:
    before = document(platform.slipway("show", "serving", "--json"))
    folder = write_source(tmp_path / "broken", SOURCES["exits-at-once"][0])

    ran = platform.slipway("deploy", str(folder), "--name", "serving")

    after = document(platform.slipway("show", "serving", "--json"))
    assert ran.returncode == 1
    assert after["state"] == "DEPLOYED"
    assert after["live_release"] == before["live_release"]


def _member(name: str, **attributes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def _bomb(tar: tarfile.TarFile) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        tar.addfile(_member("zeros", size=400 << 20), zeros)


ARCHIVES: dict[str, Callable[[tarfile.TarFile], None]] = {
    "dot-dot": lambda tar: tar.addfile(_member("../outside", size=1), io.BytesIO(b"x")),
    "absolute": lambda tar: tar.addfile(_member("/etc/outside", size=1), io.BytesIO(b"x")),
    "link-out": lambda tar: tar.addfile(_member("link", type=tarfile.SYMTYPE, linkname="../../etc")),
    "device": lambda tar: tar.addfile(_member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "bomb": _bomb,
}


@pytest.mark.parametrize("name", ARCHIVES)
async def test_an_archive_that_reaches_out_or_explodes_is_refused(
    platform: RunningPlatform, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "source.tar.gz"
    with tarfile.open(file, "w:gz", compresslevel=9) as tar:
        ARCHIVES[name](tar)
    content = file.read_bytes()
    digest = f"sha256:{sha256(content).hexdigest()}"

    async with platform.client() as client:
        upload(platform, digest, content)
        accepted = await client.create(
            f"archive-{name}", source=digest, config=Configuration(deadline_seconds=5)
        )
        operation = await ended(client, accepted)

    assert operation.state == "FAILED"
    assert operation.failure is not None
    assert operation.failure.reason == "ArchiveRefused"
    assert operation.failure.hint


def upload(platform: RunningPlatform, digest: str, content: bytes) -> None:
    key = (platform.state / "admin.key").read_text().strip()
    url = json.loads((platform.state / "connection.json").read_text())["url"]
    answer = httpx.put(
        f"{url}/v1/groups/default/artifacts/{digest}",
        content=content,
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code in {200, 201}, answer.text
