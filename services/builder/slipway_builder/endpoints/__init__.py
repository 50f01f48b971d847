"""How the endpoints of a version start, and how they are tried."""
