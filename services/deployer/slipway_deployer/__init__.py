"""Commands and facts become desired state, and desired state becomes engine wishes."""
