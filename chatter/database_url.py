"""Database URLs as operators write them."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
SQLITE = frozenset({"sqlite", "sqlite+aiosqlite"})


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
