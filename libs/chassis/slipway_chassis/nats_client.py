"""What the chassis takes from nats-py, imported without its websocket transport."""

from slipway_chassis.lean import without

with without("aiohttp"):
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.errors import Error as NatsError
    from nats.errors import MaxPayloadError, StaleConnectionError
    from nats.js import JetStreamContext

__all__ = [
    "Client",
    "JetStreamContext",
    "MaxPayloadError",
    "Msg",
    "NatsError",
    "StaleConnectionError",
    "Subscription",
]
