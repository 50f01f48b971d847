"""What every process needs: broker, publishing, leases, blobs, telemetry, probes, settings."""

# First of all, so that no other import brings nats-py in with aiohttp.
from slipway_chassis import nats_client as nats_client
