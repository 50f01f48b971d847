"""Fixtures of the api's integration tests."""

from api_walk import equipped_api
from api_world import api

__all__ = ["api", "equipped_api"]
