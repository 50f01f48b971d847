"""Engines become replica facts, logs and metrics."""
