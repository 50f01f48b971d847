"""What commands mean for the desired state. Pure."""
