"""What the audit is told of requests, refused ones too."""
