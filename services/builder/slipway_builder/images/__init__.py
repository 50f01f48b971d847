"""Layers and images, as they lie in the blob store."""
