"""Webhooks by the command line, on a platform as a user starts it, with a receiver on this machine."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from e2e.running_platform import RunningPlatform
from eventually import until
from standardwebhooks.webhooks import Webhook as Verifier

Ask = Callable[..., Any]
Deployed = Callable[..., str]


@dataclass
class Inbox:
    """What came to a receiver."""

    url: str = ""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def types(self, secret: str) -> list[str]:
        """Return the types of the events that came, each verified with this secret."""
        verified = [Verifier(secret).verify(body, headers) for headers, body in self.came]
        return [event["type"].removeprefix("dev.slipway.") for event in verified]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.came.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        inbox.url = f"http://127.0.0.1:{server.server_address[1]}/slipway"
        yield inbox
        server.shutdown()


def test_a_webhook_hears_of_a_deployment_that_goes_live_and_verifies_it(
    ask: Ask, deployed: Deployed, inbox: Inbox
) -> None:
    made = ask("webhook", "create", inbox.url, "--type", "release.live", "--deployment", "heard")

    deployed("heard")
    until(lambda: len(inbox.came) == 1, timeout=30)

    assert inbox.types(made["secret"]) == ["release.live.v1"]
    until(
        lambda: (ask("webhook", "show", made["id"])["delivery"] or {}).get("delivered_at") is not None,
        timeout=30,
    )
    ask("webhook", "rm", made["id"])
    assert made["id"] not in [each["id"] for each in ask("webhook", "list")]


def test_a_webhook_of_all_groups_is_rotated_disabled_and_enabled(
    platform: RunningPlatform, ask: Ask, inbox: Inbox
) -> None:
    made = ask("webhook", "create", inbox.url, "--all-groups", "--type", "group")
    rotated = ask("webhook", "rotate", made["id"], "--all-groups", "--grace", "0")
    ask("webhook", "disable", made["id"], "--all-groups")
    ask("group", "set", "while-disabled")

    told = platform.slipway("webhook", "list", "--all-groups").stdout
    ask("webhook", "enable", made["id"], "--all-groups")
    until(lambda: len(inbox.came) == 1, timeout=30)

    assert rotated["secret"] != made["secret"]
    assert inbox.types(rotated["secret"]) == ["group.configured.v1"]
    assert [line.split()[1] for line in told.splitlines() if made["id"] in line] == ["disabled"]
    assert made["id"] not in [each["id"] for each in ask("webhook", "list")]


def test_what_is_shown_to_people_names_the_state_and_the_secret_only_once(
    platform: RunningPlatform, inbox: Inbox
) -> None:
    made = platform.slipway("webhook", "create", inbox.url).stdout
    words = dict(line.split(maxsplit=1) for line in made.splitlines() if len(line.split()) == 2)

    shown = platform.slipway("webhook", "show", words["id"]).stdout

    assert words["secret"].startswith("whsec_")
    assert words["secret"] not in shown
    assert inbox.url in shown
    assert "active" in shown


def test_a_webhook_that_does_not_exist_is_named_with_what_to_do(platform: RunningPlatform) -> None:
    ran = platform.slipway("webhook", "show", "0198b2f4-0000-7000-8000-000000000000")

    assert ran.returncode == 1
    assert "WebhookNotFound" in ran.stderr
    assert "slipway webhook list" in ran.stderr


def test_a_webhook_is_tested_before_anything_happens_and_the_command_says_how_it_went(
    platform: RunningPlatform, ask: Ask, inbox: Inbox
) -> None:
    made = ask("webhook", "create", inbox.url, "--type", "release", "--format", "cdevents")

    told = ask("webhook", "ping", made["id"])
    spoken = platform.slipway("webhook", "test", made["id"])
    ask("webhook", "update", made["id"], "--receiver", "http://127.0.0.1:1/", "--format", "cloudevents")
    refused = platform.slipway("webhook", "ping", made["id"])
    ask("webhook", "rm", made["id"])

    assert (told["delivered"], told["status"]) == (True, 204)
    assert inbox.types(made["secret"]) == ["dev.cdeventsx.slipway-webhook.pinged.0.1.0"] * 2
    assert spoken.returncode == 0
    assert "204" in spoken.stdout
    assert refused.returncode == 1
    assert "it cannot be reached: Connection refused" in refused.stdout.replace("\n", " ")
