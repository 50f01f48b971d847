"""Fixtures of the api's integration tests."""

from api_world import api

__all__ = ["api"]
