"""Pure folds, one module per kind of row: (row before, message) -> row after."""
