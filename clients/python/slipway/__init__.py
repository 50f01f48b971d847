"""Client library and command line of the platform."""
