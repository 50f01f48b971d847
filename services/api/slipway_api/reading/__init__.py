"""What is read of the projection and of the log: now, earlier, and step by step."""
