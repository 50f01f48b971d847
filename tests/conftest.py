"""Fixtures of real servers for every test."""

import signal

from servers import (
    connection,
    fresh_nats,
    log,
    make_database,
    migrated_template,
    nats_server,
    own_postgres,
    postgres_server,
    provisioned_nats,
)

__all__ = [
    "connection",
    "fresh_nats",
    "log",
    "make_database",
    "migrated_template",
    "nats_server",
    "own_postgres",
    "postgres_server",
    "provisioned_nats",
]

# What is started in the background of a script ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
