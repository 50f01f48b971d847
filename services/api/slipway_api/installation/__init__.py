"""What is configured, kept and watched besides deployments: groups, secrets, artifacts, targets, gateways."""
