"""The tables of the projection: the one truth of the schema, from which migrations are generated.

Imported by migrations and tests only; a running process reads and writes the row models of `rows`.
Every value comes from the log: no default, no serial and no clock of the database.
"""

from typing import Final

from sqlalchemy import MetaData

from slipway_store.tables import deployments, installation, log
from slipway_store.tables.columns import Base

__all__ = ["METADATA", "deployments", "installation", "log"]

METADATA: Final[MetaData] = Base.metadata
"""All tables: complete, because the modules that declare them are imported here."""
