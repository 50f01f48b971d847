"""One build at work: from the source to a version without a name."""
