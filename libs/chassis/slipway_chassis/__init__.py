"""What every process needs: broker, publishing, leases, blobs, telemetry, probes, settings."""
