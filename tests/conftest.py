"""Fixtures of real servers for every test."""

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
