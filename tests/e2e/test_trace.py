"""One operation is one trace: from the request to the first answer, as an OTLP collector receives it."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from e2e.running_platform import FIXTURES, RunningPlatform
from eventually import eventually
from otlp_receiver import ReceivedSpan, Receiver, receiving

TRACE = "5a" * 16
CALLER = "6b" * 8
SERVICES = {"api", "builder", "deployer", "monitor", "gateway", "projector"}
WORDS = r"[a-z]+(-[a-z]+)*"
BOUNDED = re.compile(
    rf"(GET|POST|PUT|PATCH|DELETE|HEAD) /[\w/{{}}-]*|(publish|process) ({WORDS}\.)?{WORDS}"
    r"|publish batch|project batch|apply configuration|await first answer|start replica|smoke test"
)
SMOKE_TEST = """\
    smoke-test:
      path: /
"""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A platform that sends its spans, and the trace of one deploy on it."""

    platform: RunningPlatform
    receiver: Receiver
    key: str

    def spans(self, trace: str = TRACE) -> list[ReceivedSpan]:
        return self.receiver.trace(trace)

    def named(self, name: str) -> list[ReceivedSpan]:
        return [span for span in self.spans() if span.name == name]


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with tempfile.TemporaryDirectory(prefix="slipway-trace-") as name, receiving() as receiver:
        platform = RunningPlatform(state=Path(name) / "state", environment=receiver.environment)
        platform.up()
        try:
            source = Path(name) / "greeter"
            shutil.copytree(FIXTURES / "greeter", source)
            with (source / "slipway.yaml").open("a") as manifest:
                manifest.write(SMOKE_TEST)
            key = (platform.state / "admin.key").read_text().strip()
            traced = Traced(platform=platform, receiver=receiver, key=key)
            deploy(traced, source)
            yield traced
        finally:
            platform.down()


def deploy(traced: Traced, source: Path) -> None:
    """Build with a trace of its own, then deploy that source within the trace of the caller."""
    built = traced.platform.slipway("build", str(source), "--name", "greeter", "--json")
    assert built.returncode == 0, built.stdout + built.stderr
    with httpx.Client(
        base_url=traced.platform.urls["url"], headers={"Authorization": f"Bearer {traced.key}"}
    ) as api:
        builds = api.get("/v1/groups/default/deployments/greeter/builds").json()["items"]
        answer = api.post(
            "/v1/groups/default/deployments",
            json={"id": "greeter", "source": builds[0]["source"]},
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "Prefer": "wait=60"},
            timeout=70,
        )
        assert answer.json()["operation"]["state"] == "SUCCEEDED", answer.text
    called = httpx.get(f"{traced.platform.gateway_url}/default/greeter/greet/")
    assert called.status_code == httpx.codes.OK


async def test_a_deploy_of_a_source_is_one_trace_through_every_service(traced: Traced) -> None:
    def complete() -> bool:
        names = {span.name for span in traced.spans()}
        return "await first answer" in names and "process operation.succeeded" in names

    await eventually(complete, timeout=20)

    spans = traced.spans()
    by_service = {service: {each.name for each in spans if each.service == service} for service in SERVICES}
    assert "POST /v1/groups/{group}/deployments" in by_service["api"]
    assert "process command.build" in by_service["builder"]
    assert {"process command.deploy", "process build.succeeded", "process replica"} <= by_service["deployer"]
    assert {"start replica", "smoke test", "publish replica"} <= by_service["monitor"]
    assert {"process desired", "apply configuration", "await first answer"} <= by_service["gateway"]
    assert {"process release.live", "process operation.succeeded"} <= by_service["projector"]


async def test_each_span_has_a_parent_in_the_trace_and_a_bounded_name(traced: Traced) -> None:
    await eventually(lambda: traced.named("process operation.succeeded"), timeout=20)

    def orphans() -> list[ReceivedSpan]:
        known = {span.id for span in traced.spans()} | {CALLER}
        return [span for span in traced.spans() if span.parent not in known]

    await eventually(lambda: not orphans(), timeout=10)
    assert [span.name for span in traced.receiver.spans if not BOUNDED.fullmatch(span.name)] == []
    assert all(span.ended >= span.began for span in traced.spans())
    assert not any(span.failed for span in traced.spans())


async def test_what_happens_after_another_follows_it_in_the_trace(traced: Traced) -> None:
    await eventually(lambda: traced.named("await first answer"), timeout=20)
    order = (
        "POST /v1/groups/{group}/deployments",
        "process command.build",
        "process build.succeeded",
        "start replica",
        "smoke test",
    )

    begins = [min(span.began for span in traced.named(name)) for name in order]
    (answered, *_) = traced.named("await first answer")
    (tested,) = traced.named("smoke test")

    assert begins == sorted(begins)
    assert answered.ended > tested.began


async def test_the_batch_of_a_projection_links_to_the_spans_of_its_events(traced: Traced) -> None:
    await eventually(lambda: traced.named("process release.live"), timeout=20)
    (event,) = traced.named("process release.live")

    def linking() -> list[ReceivedSpan]:
        batches = [span for span in list(traced.receiver.spans) if span.name == "project batch"]
        return [span for span in batches if (event.trace, event.id) in span.links]

    await eventually(linking, timeout=10)
    (batch,) = linking()
    assert batch.trace != TRACE


async def test_attributes_are_those_of_the_messaging_and_http_conventions(traced: Traced) -> None:
    await eventually(lambda: traced.named("process operation.succeeded"), timeout=20)

    for span in traced.spans():
        given = span.attributes
        match span.kind:
            case "server":
                assert given["http.route"] == span.name.partition(" ")[2]
                assert (given["http.request.method"], given["http.response.status_code"]) == ("POST", 200)
                assert given["url.scheme"] == "http"
            case "producer":
                assert span.name.startswith("publish ")
                assert (given["messaging.operation.name"], given["messaging.operation.type"]) == (
                    "publish",
                    "send",
                )
                assert ("messaging.message.id" in given) == (span.name != "publish batch")
                assert ("messaging.batch.message_count" in given) == (span.name == "publish batch")
            case "consumer":
                assert given["messaging.operation.type"] == "process"
                assert span.name == f"process {given['slipway.message.type'].rpartition('.')[0]}"
            case "client":
                assert given["http.response.status_code"] == 200
            case _:
                assert span.kind == "internal"
        if span.kind in {"producer", "consumer"}:
            assert given["messaging.system"] == "nats"
            assert given["messaging.destination.name"] == "SLIPWAY"


async def test_a_scale_has_its_new_replica_in_its_own_trace(traced: Traced) -> None:
    ran = traced.platform.slipway("scale", "greeter", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr

    def services() -> set[str]:
        scales = [span for span in list(traced.receiver.spans) if span.name.endswith("/{deployment}/scale")]
        return {span.service for scale in scales for span in traced.spans(scale.trace)}

    await eventually(lambda: services() >= SERVICES - {"builder"}, timeout=20)


def test_the_timeline_of_the_deploy_tells_its_stages(traced: Traced) -> None:
    with httpx.Client(
        base_url=traced.platform.urls["url"], headers={"Authorization": f"Bearer {traced.key}"}
    ) as api:
        operations = api.get("/v1/operations", params={"deployment": "greeter"}).json()["items"]
        (deploy,) = [each for each in operations if each["kind"] == "deploy"]
        found = api.get(
            "/v1/groups/default/deployments/greeter/timeline", params={"operation": deploy["id"]}
        ).json()
    shown = traced.platform.slipway("timeline", "greeter", "--operation", deploy["id"])

    stages = found["stages"]
    assert [each["name"] for each in stages] == [
        *("accepted", "built", "decided", "started", "answering", "smoke-tested", "ready", "shifted", "live")
    ]
    assert all(each["state"] == "DONE" for each in stages)
    assert sum(each["seconds"] for each in stages) == pytest.approx(found["seconds"], abs=0.05)
    assert [step["name"] for step in stages[1]["steps"]][:2] == ["source", "manifest"]
    assert shown.returncode == 0
    assert "deploy of greeter, release 1: SUCCEEDED after" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:4]] == ["accepted", "built", "source"]
    assert "=" in shown.stdout


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("redeploy", "greeter", "--env", "GREETING=again"), "release.live"),
        (("rollback", "greeter"), "release.live"),
        (("rename", "greeter", "greeting"), "deployment.configured"),
        (("stop", "greeter"), "deployment.ended"),
        (("start", "greeter"), "release.live"),
        (("delete", "greeter"), "deployment.ended"),
    ],
)
async def test_every_operation_is_one_trace_up_to_its_end(
    traced: Traced, words: tuple[str, ...], last: str
) -> None:
    before = {span.id for span in list(traced.receiver.spans)}
    ran = traced.platform.slipway(*words)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    def told() -> list[ReceivedSpan]:
        return [span for span in list(traced.receiver.spans) if span.id not in before]

    def command() -> ReceivedSpan:
        (found,) = [span for span in told() if span.name.startswith("process command.") and _folded(span)]
        return found

    def ends() -> list[ReceivedSpan]:
        return [span for span in told() if span.name == "process operation.succeeded" and _folded(span)]

    def ended() -> bool:
        return bool(command() and ends())

    await eventually(ended, timeout=20)
    assert [span.trace for span in ends()] == [command().trace]
    await eventually(lambda: f"process {last}" in {span.name for span in traced.spans(command().trace)})
    services = {span.service for span in traced.spans(command().trace)}
    assert services >= {"api", "deployer", "gateway", "projector"}


def _folded(span: ReceivedSpan) -> bool:
    """Say whether it is of the projector, which has one for each message."""
    return span.service == "projector"
