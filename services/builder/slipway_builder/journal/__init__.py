"""What is written of a build: its events, how it ended and why, its lines of text."""
