"""What the tables' columns are made of: the root of all tables, and the kinds of columns."""

from typing import Any, ClassVar, Final

from sqlalchemy import BigInteger, DateTime, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(SQLModel):
    """The root of all tables."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING)


def key() -> Any:  # noqa: ANN401
    """Return a column of the primary key."""
    return Field(primary_key=True)


def number_key() -> Any:  # noqa: ANN401
    """Return a number of the primary key; it comes from the log, no sequence makes it."""
    return Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})


def number() -> Any:  # noqa: ANN401
    """Return a column of eight bytes: positions of the log, sizes in bytes."""
    return Field(sa_type=BigInteger)


def time() -> Any:  # noqa: ANN401
    """Return a column of aware times."""
    return Field(sa_type=DateTime(timezone=True))


def json(*, nullable: bool = False) -> Any:  # noqa: ANN401
    """Return a column of documents; `nullable` says whether it may hold none."""
    return Field(sa_type=JSONB, nullable=nullable)
