"""REST and SSE: authenticates, validates, publishes commands, answers from the projection."""
