"""Who asks and what they may do: keys, users, roles."""
