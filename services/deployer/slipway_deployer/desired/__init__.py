"""The desired state while it changes, and what is said about it. Pure."""
