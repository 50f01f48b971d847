"""How requests are refused: the types of problems, their words, and the answers they become."""
