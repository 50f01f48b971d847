"""Answers that go on: events, log lines, and what is published about them."""
