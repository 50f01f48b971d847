"""Bodies of answers, and the pure functions that make them of rows and messages."""
