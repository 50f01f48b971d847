"""Bodies of requests: strict models of what clients may send."""
