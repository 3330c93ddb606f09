"""Database URLs as operators write them."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from chatter.errors import StartError

POSTGRES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
SQLITE = frozenset({"sqlite", "sqlite+aiosqlite"})

# What the drivers raise where a database is away, refuses, or is none.
DATABASE_ERRORS = (OSError, SQLAlchemyError, TimeoutError)


def parse_database_url(text: str) -> URL:
    """Return the URL with our drivers. Raise ValueError for any other database."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL") from None
    if url.drivername in SQLITE:
        if not url.database or ":memory:" in url.database or url.query:
            raise ValueError("not a file")
        return url.set(drivername="sqlite+aiosqlite")
    if url.drivername not in POSTGRES or not url.host or not url.database:
        raise ValueError("not PostgreSQL or SQLite")
    query = dict(url.query)
    # libpq's name for what asyncpg calls ssl.
    ssl = query.pop("sslmode", None) or query.pop("ssl", None)
    if query:
        raise ValueError("an option that is not known")
    return url.set(drivername="postgresql+asyncpg", query={} if ssl is None else {"ssl": ssl})


def unusable(url: URL, exc: Exception) -> StartError:
    """Return one of DATABASE_ERRORS as a sentence: the database without its password, and the cause."""
    cause = str(getattr(exc, "orig", None) or exc).splitlines() or [type(exc).__name__]
    shown = url.render_as_string(hide_password=True)
    return StartError(f"The database {shown} cannot be used: {cause[0].rstrip('.')}.")
