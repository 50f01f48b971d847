"""Source, base image and files become an immutable version."""
