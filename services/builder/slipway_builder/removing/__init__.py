"""What may leave the blob store, and leaves it."""
