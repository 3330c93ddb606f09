"""Moves a database from one version of the schema to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Version:
    """One step of the schema."""

    revision: str
    description: str
    applied: bool


class UnknownVersionError(Exception):
    """The database is at a version that this program does not have: it was migrated by a newer one."""


class Migrations:
    """The versions, applied to the database of `engine`. All methods raise SQLAlchemyError or OSError."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def up(self) -> list[Version]:
        """Apply all pending versions, and return them. Raise UnknownVersionError."""
        pending = [version for version in await self.status() if not version.applied]
        if pending:
            await self._run(lambda config: command.upgrade(config, "head"))
        return [Version(version.revision, version.description, True) for version in pending]

    async def down(self) -> Version | None:
        """Roll the last applied version back and return it, or None. Raise UnknownVersionError."""
        applied = [version for version in await self.status() if version.applied]
        if not applied:
            return None
        await self._run(lambda config: command.downgrade(config, "-1"))
        return Version(applied[-1].revision, applied[-1].description, False)

    async def status(self) -> list[Version]:
        """Return all versions, the first one first. Raise UnknownVersionError."""
        async with self._engine.connect() as connection:
            current = await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
        scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())[::-1]
        revisions = [script.revision for script in scripts]
        if current is not None and current not in revisions:
            raise UnknownVersionError(
                f"The database is at version {current}, and this program knows them up to {revisions[-1]}: "
                "run the newer program that migrated it."
            )
        done = 0 if current is None else revisions.index(current) + 1
        return [Version(script.revision, script.doc, index < done) for index, script in enumerate(scripts)]

    async def _run(self, action: Callable[[Config], None]) -> None:
        def on_connection(connection: Connection) -> None:
            config = _config()
            config.attributes["connection"] = connection
            action(config)

        async with self._engine.begin() as connection:
            await connection.run_sync(on_connection)


def _config() -> Config:
    config = Config()
    # % starts an interpolation in the configuration's syntax.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
