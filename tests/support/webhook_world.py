"""Webhooks as the api leaves them in the log, receivers on real sockets, and the notifier's processes."""

import asyncio
import json
import secrets
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import NatsServer, clean_environment, die_with_parent, free_port
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.secrets import Recipients, Secrets, make_key_pair
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import ReleaseReady
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.size import SecretRef
from slipway_contracts.topology import WEBHOOK_SECRETS, WEBHOOKS
from slipway_contracts.webhooks import WebhookProgress
from standardwebhooks.webhooks import Webhook as Verifier


@dataclass(frozen=True)
class Delivery:
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def sequence(self) -> int:
        return int(self.event["sequence"])


@dataclass
class Receiver:
    """Takes deliveries; `status` is its answer, and while `open` is not set it gives none."""

    status: int = 204
    url: str = ""
    asked: list[Delivery] = field(default_factory=list)
    taken: list[Delivery] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: Callable[[Delivery], bool] = lambda _: False

    @property
    def sequences(self) -> list[int]:
        return [delivery.sequence for delivery in self.taken]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        delivery = Delivery(dict(request.headers), await request.read())
        self.asked.append(delivery)
        await self.open.wait()
        status = 503 if self.refuses(delivery) else self.status
        if status < 300:
            self.taken.append(delivery)
        return web.Response(status=status, headers=self.answer_headers)


@asynccontextmanager
async def receiving(**attributes: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**attributes)
    receiver.open.set()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.open.set()
        await runner.cleanup()


@dataclass(frozen=True)
class Hook:
    """A webhook, its secret, and the sequence of its configuration."""

    configured: WebhookConfigured
    secret: str
    sequence: int

    def verify(self, delivery: Delivery) -> Any:
        """Check the signature as the reference implementation of Standard Webhooks does."""
        return Verifier(self.secret).verify(delivery.body, delivery.headers)


class Notifier:
    """A process of the notifier, as the platform starts it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self._port = port

    async def get(self, path: str) -> str:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    async def metric(self, name: str) -> float:
        lines = (await self.get("/metrics")).splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def is_active(self) -> bool:
        return "lease taken" in self.log.read_text()

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 15)


@dataclass(kw_only=True)
class WebhookWorld:
    """The log, and who writes to it beside the notifier."""

    connection: Connection
    log: EventLog
    folder: Path
    nats_url: str
    notifiers: list[Notifier] = field(default_factory=list)

    def __post_init__(self) -> None:
        pair = make_key_pair()
        self.key_file = self.folder / "notifier.secret-key"
        self.key_file.write_text(pair.private.get_secret_value())
        self.key_file.chmod(0o600)
        self.public_key = pair.public
        self._recipients = Recipients({"notifier": pair.public})
        self._secrets = Secrets(connection=self.connection, bucket=WEBHOOK_SECRETS.name)
        self._positions = Heartbeats(connection=self.connection, bucket=WEBHOOKS.name)

    async def tell(self, message: AnyMessage) -> int:
        envelope = Envelope(
            id=new_id(), type=message.type, source="/slipway/test", subject="default/digits", time=now()
        )
        outgoing = Outgoing(subject=subjects.of(message), message=message, envelope=envelope)
        return (await self.log.publish(outgoing)).sequence

    async def happen(self, count: int = 1, **overrides: Any) -> list[int]:
        """Let so many events happen in `default/digits`, and return where they are in the log."""
        values = {"group": "default", "deployment": "digits"} | overrides
        return [await self.tell(ReleaseReady(**values, release=number + 1)) for number in range(count)]

    async def secret(self, webhook: str, version: int, group: str | None = "default") -> str:
        secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
        ref = SecretRef(secret=webhook, version=version)
        await self._secrets.put(group or "_", ref, self._recipients.seal(secret))
        return secret

    async def hook(self, url: str, **overrides: Any) -> Hook:
        """Configure a webhook with a new secret."""
        values = {"group": "default", "webhook": new_id(), "url": url, "secret": 1, "by": "ada"} | overrides
        configured = WebhookConfigured(**values)
        secret = await self.secret(configured.webhook, configured.secret, configured.group)
        return Hook(configured, secret, await self.tell(configured))

    async def change(self, hook: Hook, **changes: Any) -> int:
        return await self.tell(hook.configured.model_copy(update=changes))

    async def progress(self, hook: Hook) -> WebhookProgress | None:
        """Return what the bucket says of a webhook."""
        for record in await self._positions.list():
            if record.key == hook.configured.webhook:
                return WebhookProgress.model_validate_json(record.data or b"")
        return None

    async def note_progress(self, progress: WebhookProgress, webhook: str) -> None:
        """Write what a notifier would have left behind."""
        await self.note(webhook, progress.model_dump_json().encode())

    async def note(self, webhook: str, record: bytes) -> None:
        """Write what nobody but a notifier of another release, or a damage, would."""
        await self._positions.beat(webhook, record)

    async def has_secret(self, hook: Hook) -> bool:
        ref = SecretRef(secret=hook.configured.webhook, version=hook.configured.secret)
        return await self._secrets.get(hook.configured.group or "_", ref) is not None

    async def has_delivered(self, hook: Hook, sequence: int) -> bool:
        progress = await self.progress(hook)
        return progress is not None and progress.position >= sequence

    async def start(self, **settings: str) -> Notifier:
        """Start a notifier that allows receivers on this machine and retries at once."""
        port = free_port()
        values = {
            "nats_url": self.nats_url,
            "probe_port": str(port),
            "secret_key_file": str(self.key_file),
            "lease_ttl": "PT1S",
            "webhook_backoff": "[0.05]",
            "webhook_private_addresses": "true",
            **settings,
        }
        named = {f"SLIPWAY_{name.upper()}": value for name, value in values.items()}
        log = self.folder / f"notifier-{len(self.notifiers)}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "slipway_notifier.main"),
                env=dict(clean_environment(**named)),
                stderr=errors,
                preexec_fn=die_with_parent(),
            )
        self.notifiers.append(Notifier(process, port, log))
        return self.notifiers[-1]

    async def stop(self) -> None:
        for notifier in self.notifiers:
            if notifier.process.returncode is None:
                await notifier.end()


@pytest.fixture
async def world(
    connection: Connection, log: EventLog, fresh_nats: NatsServer, tmp_path: Path
) -> AsyncIterator[WebhookWorld]:
    """A log of this test alone; its notifiers end with it."""
    world = WebhookWorld(connection=connection, log=log, folder=tmp_path, nats_url=fresh_nats.url)
    yield world
    await world.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
