"""The Engine protocol and its adapters, one per kind of target."""
