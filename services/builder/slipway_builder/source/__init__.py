"""What was uploaded: unpacked, read and checked."""
