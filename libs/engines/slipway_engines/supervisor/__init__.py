"""Runs replicas on this machine, each as a program of supervisord. Imports nothing: launchers import it."""
