"""The language of the platform: messages, subjects, topology and lifecycle rules."""
