"""The files that the builder adds to images; only copied, never imported here."""
