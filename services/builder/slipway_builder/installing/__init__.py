"""Packages that a source requires, installed for the Python that versions run on."""
