import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import exc, inspect, text

from auth.database import create_engine
from auth.models import Base
from migrations.runner import Migrations, UnknownVersionError

REVISIONS = ["00001", "00002", "00003", "00004", "00005", "00006"]


@pytest.fixture
async def engine(database_url):
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def migrations(engine):
    return Migrations(engine)


async def applied(migrations):
    return [version.revision for version in await migrations.status() if version.applied]


async def tables(engine):
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names())) - {
            "alembic_version"
        }


async def columns(engine, table):
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_columns(table))
        return {column["name"]: (str(column["type"]), column["nullable"]) for column in found}


async def test_an_empty_database_has_everything_pending(migrations, engine):
    status = await migrations.status()
    assert [(version.revision, version.applied) for version in status] == [(r, False) for r in REVISIONS]
    assert all(version.description for version in status)
    assert await tables(engine) == set()


async def test_up_applies_what_is_pending_and_then_nothing(migrations, engine):
    assert [version.revision for version in await migrations.up()] == REVISIONS
    assert await applied(migrations) == REVISIONS
    assert {"users", "refresh_tokens"} <= await tables(engine)
    assert await migrations.up() == []


async def schema(engine):
    return {table: await columns(engine, table) for table in await tables(engine)}


async def test_down_rolls_back_one_at_a_time_and_up_comes_back(migrations, engine):
    await migrations.up()
    whole = await schema(engine)
    for revision in reversed(REVISIONS):
        before = await schema(engine)
        assert (await migrations.down()).revision == revision
        assert await schema(engine) != before
    assert await tables(engine) == set()
    assert await migrations.down() is None
    assert [version.revision for version in await migrations.up()] == REVISIONS
    assert await schema(engine) == whole


async def down_to(migrations, revision):
    while (await applied(migrations))[-1] != revision:
        await migrations.down()


async def test_the_first_three_versions_are_the_originals(migrations, engine):
    await migrations.up()
    await down_to(migrations, "00003")
    assert {table: set(found) for table, found in (await schema(engine)).items()} == {
        "users": {"id", "username", "email", "password_hash", "created_at", "updated_at"},
        "refresh_tokens": {
            *("id", "user_id", "token_hash", "expires_at", "revoked", "updated_at", "device_id")
        },
    }
    await down_to(migrations, "00002")
    assert "device_id" not in await columns(engine, "refresh_tokens")
    await down_to(migrations, "00001")
    assert await tables(engine) == {"users"}


async def test_rows_survive_new_versions(migrations, engine):
    await migrations.up()
    await down_to(migrations, "00002")
    insert_user = "INSERT INTO users (username, password_hash) VALUES ('alice', :hash)"
    insert_token = (
        "INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) "
        "VALUES ('550e8400e29b41d4a716446655440000', 1, 'hash', '2026-04-07 12:00:00')"
    )
    async with engine.begin() as connection:
        await connection.execute(text(insert_user), {"hash": b"hash"})
        await connection.execute(text(insert_token))
    await migrations.up()
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT token_hash, device_id FROM refresh_tokens"))).all()
    assert rows == [("hash", None)]


async def test_models_and_migrations_agree(migrations, engine):
    await migrations.up()

    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        with warnings.catch_warnings():
            # SQLite does not tell about indexes on expressions: the next test is about that one.
            warnings.filterwarnings("ignore", "Skipped unsupported reflection", exc.SAWarning)
            warnings.filterwarnings(
                "ignore", "autogenerate skipping metadata-specified expression", UserWarning
            )
            return compare_metadata(context, Base.metadata)

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    assert found == []


async def test_usernames_are_unique_ignoring_case(migrations, engine):
    await migrations.up()
    insert = text("INSERT INTO users (username, password_hash) VALUES (:name, :hash)")
    async with engine.begin() as connection:
        await connection.execute(insert, {"name": "alice", "hash": b""})
    with pytest.raises(exc.IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(insert, {"name": "ALICE", "hash": b""})


async def test_a_session_needs_its_user(migrations, engine):
    await migrations.up()
    insert = text(
        "INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at) "
        "VALUES ('550e8400e29b41d4a716446655440000', 1, 'hash', '2026-04-07 12:00:00')"
    )
    with pytest.raises(exc.IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(insert)


async def test_a_database_of_a_newer_program_is_left_alone(migrations, engine):
    await migrations.up()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '99999'"))
    for action in (migrations.up, migrations.down, migrations.status):
        with pytest.raises(UnknownVersionError, match="99999"):
            await action()


@pytest.mark.system
async def test_postgresql_has_the_documented_types(postgres_database):
    engine = create_engine(postgres_database)
    await Migrations(engine).up()
    query = text("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = :table")
    async with engine.connect() as connection:
        users = dict((await connection.execute(query, {"table": "users"})).all())
        tokens = dict((await connection.execute(query, {"table": "refresh_tokens"})).all())
        default = await connection.scalar(text("SELECT pg_get_serial_sequence('users', 'id')"))
    await engine.dispose()
    assert users == {
        "id": "bigint",
        "username": "text",
        "email": "text",
        "password_hash": "bytea",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    }
    assert default == "public.users_id_seq"
    assert tokens == {
        "id": "uuid",
        "user_id": "integer",
        "token_hash": "text",
        "expires_at": "timestamp without time zone",
        "revoked": "boolean",
        "updated_at": "timestamp with time zone",
        "device_id": "character varying",
        "family_hash": "text",
        "previous_hash": "text",
        "rotated_at": "timestamp with time zone",
        "successor_key": "bytea",
        "created_at": "timestamp with time zone",
        "user_agent": "character varying",
        "address": "character varying",
    }
