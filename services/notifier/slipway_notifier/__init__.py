"""Sends what happens to webhooks."""
