"""What observations mean for the desired state, and when to look again. Pure."""
