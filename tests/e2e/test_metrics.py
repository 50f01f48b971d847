"""What the services count: labels have few values, whatever users call their things."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from e2e.running_platform import FIXTURES, RunningPlatform
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from slipway_api.app import make_routes
from slipway_chassis.metrics import Outcome
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_notifier.outcome import Kind

DOCS = Path(__file__).parents[2] / "docs" / "tracing.md"
SERVICES = ("api", "builder", "deployer", "gateway", "monitor", "notifier", "projector")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"}
STATUS = re.compile(r"[0-5]\d\d|0")


def _routes() -> set[str]:
    return {*make_routes().openapi()["paths"], "/openapi.json", "unrouted"}


BOUNDED: dict[str, Callable[[str], object]] = {
    "service": SERVICES.__contains__,
    "type": {*MESSAGE_TYPES, "unknown"}.__contains__,
    "noun": {*(name.partition(".")[0] for name in MESSAGE_TYPES), "unknown"}.__contains__,
    "outcome": {*get_args(Outcome), "delivered", "gone", *get_args(Kind)}.__contains__,
    "method": METHODS.__contains__,
    "route": _routes().__contains__,
    "status": STATUS.fullmatch,
    "le": float,
}

Label = tuple[str, str, str]
"""Name of the metric, of the label, and its value."""


def counted(platform: RunningPlatform) -> Iterator[Metric]:
    ports = json.loads((platform.state / "installation.json").read_text())["ports"]
    for service in SERVICES:
        page = httpx.get(f"http://127.0.0.1:{ports[f'{service}-probe']}/metrics").text
        yield from text_string_to_metric_families(page)


def labels(platform: RunningPlatform) -> Iterator[Label]:
    for family in counted(platform):
        for sample in family.samples:
            yield from ((sample.name, name, value) for name, value in sample.labels.items())


@pytest.fixture
def names(platform: RunningPlatform) -> list[str]:
    """Deployments that were made, asked for, scaled and ended, in every name that a user may give."""
    made = [f"metrics-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    key = (platform.state / "admin.key").read_text().strip()
    with httpx.Client(base_url=platform.urls["url"], headers={"Authorization": f"Bearer {key}"}) as api:
        for name in made:
            label = f"v-{name}"
            done = platform.slipway("deploy", str(FIXTURES / "greeter"), "--name", name, "--label", label)
            assert done.returncode == 0, done.stdout + done.stderr
            httpx.get(f"{platform.gateway_url}/default/{name}/greet/{name}")
            api.get(f"/v1/groups/default/deployments/{name}/versions/{label}")
            api.get(f"/v1/groups/{name}/deployments/{name}")
            api.get(f"/v1/operations/{name}")
            api.get(f"/{name}/{name}")
            api.request("PROPFIND", f"/v1/groups/default/deployments/{name}")
            for words in (("scale", name, "2"), ("alias", "set", name, f"a-{name}", "1"), ("delete", name)):
                done = platform.slipway(*words)
                assert done.returncode == 0, done.stdout + done.stderr
    return made


def families(platform: RunningPlatform) -> set[str]:
    names = {family.name for family in counted(platform) if family.name.startswith("slipway_")}
    return {name for name in names if not name.endswith("_created")}


def test_the_page_of_metrics_has_them_all(platform: RunningPlatform) -> None:
    page = DOCS.read_text()

    assert set(re.findall(r"^\| `(slipway_\w+)`", page, re.MULTILINE)) == families(platform)


def test_no_label_has_a_value_that_a_user_chose_or_an_id(platform: RunningPlatform, names: list[str]) -> None:
    found = set(labels(platform))

    assert {label for _, label, _ in found} <= BOUNDED.keys()
    assert [each for each in found if not BOUNDED[each[1]](each[2])] == []
    assert [each for each in found if any(name in each[2] for name in names)] == []
    assert {value for _, label, value in found if label == "service"} == set(SERVICES)
    assert {"GET", "POST", "_OTHER"} <= {value for _, label, value in found if label == "method"}
    assert "unrouted" in {value for _, label, value in found if label == "route"}
