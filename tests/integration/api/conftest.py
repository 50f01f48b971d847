"""Fixtures of the api's integration tests."""

from api_walk import equipped_api
from api_world import api
from webhook_world import receiver, world

__all__ = ["api", "equipped_api", "receiver", "world"]
