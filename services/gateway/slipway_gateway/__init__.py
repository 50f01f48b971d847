"""Desired traffic and observed replicas become Envoy configuration."""
