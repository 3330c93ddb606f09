"""The app factory: puts the packages together."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from api import openapi
from api.address import PROXIES, TrustedProxies, client_address
from api.errors import error_middleware
from api.models import Answer
from api.origin import ALLOWED_ORIGINS
from api.routes import OPERATIONS, Routes
from auth import http as auth_http
from auth.database import Database, DatabaseUnavailableError
from auth.errors import database_middleware
from auth.limits import AccountLimits, Limits
from auth.passwords import PasswordHasher
from auth.service import AuthService
from auth.sessions import Sessions
from auth.tokens import AccessTokens, TokenError
from chatter import readiness, room_stats
from chatter.admin import http as admin_http
from chatter.admin.history import History
from chatter.admin.live import Live
from chatter.admin.operators import Operators
from chatter.call_metrics import CallMetrics
from chatter.cors import Cors
from chatter.data import DataFolder
from chatter.database_url import DATABASE_ERRORS, unusable
from chatter.drain import Drain
from chatter.errors import SettingsError, StartError
from chatter.media import AppMedia
from chatter.monitoring.joins import Joins
from chatter.monitoring.loop_lag import LoopLag
from chatter.monitoring.node_metrics import NodeMetrics
from chatter.monitoring.quality_messages import QualityMessages
from chatter.monitoring.recorder_metrics import RecorderMetrics
from chatter.monitoring.room_metrics import RoomMetrics
from chatter.monitoring.sampler import Sampler
from chatter.settings import SECRET, Settings
from chatter.version import version
from migrations.runner import Migrations, UnknownVersionError
from observability.exchange import setup_answers
from observability.logs import logging_middleware
from observability.metrics import HttpMetrics
from observability.tracing import Tracing
from rooms import http as rooms_http
from rooms.api_keys import ApiKeys
from rooms.door import StoredDoor
from rooms.expiry import Expiry
from rooms.join_tokens import JoinTokens
from rooms.recorder import Recorder
from signaling import http as signaling_http
from signaling.room_event import RoomEvent
from signaling.rooms import Rooms
from signaling.settings import RoomSettings
from web import pages, reference
from webhooks.metrics import WebhookMetrics
from webhooks.outbox import Outbox

Forget = Callable[[], Awaitable[int]]

SETTINGS = web.AppKey("settings", Settings)
DATABASE = web.AppKey("database", Database)
MEDIA = web.AppKey("media", AppMedia)
DRAIN = web.AppKey("drain", Drain)
EXPIRED: web.AppKey[list[Forget]] = web.AppKey("forget_expired", list)
"""What deletes rows that have expired and returns how many; called each hour."""
REGISTRY = web.AppKey("metrics_registry", CollectorRegistry)
SAMPLER = web.AppKey("sampler", Sampler)
JOINS = web.AppKey("joins", Joins)
LOOP_LAG = web.AppKey("loop_lag", LoopLag)

# Bytes of a request's body; nothing that the API takes is larger.
MAX_BODY_BYTES = 64 * 1024

# Seconds between deletions of expired rows.
EXPIRY_INTERVAL = 3600.0

# Seconds that the last spans may take to be exported at the end.
TRACING_CLOSE_TIMEOUT = 6.0

LOG = logging.getLogger(__name__)

API_DESCRIPTION = """\
Accounts and rooms of a Chatter server. The WebSocket of a call is described in docs/protocol.md.

Refusals are problem details (RFC 9457); programs tell them apart by `code`. Their member `error` is an older
form of the same."""

routes = Routes("server")

Lifetime = Callable[[web.Application], AsyncIterator[None]]


def create_app(settings: Settings) -> web.Application:
    """Return the app for `settings`. It opens the database and the media port when it starts.

    Raises SettingsError and StartError, the latter also while it starts.
    """
    cors = Cors(settings.server.cors_origins)
    registry = CollectorRegistry()
    metrics = HttpMetrics(registry)
    tracing = make_tracing(settings)
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        middlewares=[
            cors.middleware(),
            tracing.middleware(),
            logging_middleware(identify, address=client_address),
            metrics.middleware(),
            error_middleware,
            database_middleware,
        ],
    )
    app.on_response_prepare.append(cors.on_prepare())
    setup_answers(app)
    app[SETTINGS] = settings
    app[PROXIES] = TrustedProxies(settings.server.trusted_proxies)
    app[ALLOWED_ORIGINS] = settings.server.cors_origins
    app[REGISTRY] = registry
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    if tracing.collector is not None:
        registry.register(tracing.collector)

    app.cleanup_ctx.append(tracing_lifetime(tracing))
    setup_accounts(app, settings)
    media = app[MEDIA] = AppMedia(settings.media.config)
    app.cleanup_ctx.append(media.run)
    joins = app[JOINS] = Joins(registry, tracing)
    media.on_answered(joins.answered)
    media.on_event(joins.media_event)
    rooms = signaling_http.setup(app, room_settings(settings), media, joins)
    setup_rooms(app, settings, rooms)
    setup_webhooks(app, settings, rooms)
    registry.register(CallMetrics(rooms, media))
    setup_monitoring(app, settings, rooms, metrics)
    app[DRAIN] = Drain(rooms, settings.server.drain_timeout.total_seconds(), settings.server.drain_url)
    readiness.setup(app, app[DATABASE], app[DRAIN])
    setup_admin(app, settings, rooms)
    room_stats.setup(app, app[SAMPLER])
    app.router.add_get("/metrics", metrics.expose)
    routes.add_to(app)
    pages.setup(app, version=version())
    setup_reference(app)
    return app


def setup_reference(app: web.Application) -> None:
    """Describe the routes that `app` has by now, for programs and for people."""
    described = openapi.document(
        app[OPERATIONS], title="Chatter", version=version(), description=API_DESCRIPTION
    )
    text = json.dumps(described, ensure_ascii=False, indent=1)

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-cache"})

    app.router.add_get("/openapi.json", serve)
    reference.setup(app, described)


def setup_accounts(app: web.Application, settings: Settings) -> AccessTokens:
    """Add the database and what stands on it. Raise SettingsError, StartError."""
    secret = signing_secret(settings)
    url = settings.database_url
    if settings.postgres is not None and not settings.is_embedded:
        database = Database(url, settings.postgres.min_conns, settings.postgres.max_conns)
    else:
        database = Database(url)
    tokens = AccessTokens(
        secret, settings.auth.access_ttl.total_seconds(), previous=previous_secrets(settings)
    )
    passwords = PasswordHasher(settings.auth.bcrypt_rounds)
    app[DATABASE] = database
    app.cleanup_ctx.append(database_lifetime(database, embedded=settings.is_embedded))
    app.cleanup_ctx.append(hasher_lifetime(passwords))
    sessions = Sessions(database, tokens, settings.auth.refresh_ttl)
    limits = Limits(settings.auth.login_attempts, settings.auth.registrations, settings.auth.refreshes)
    service = AuthService(database, sessions, passwords, AccountLimits(limits))
    auth_http.setup(app, service, tokens, reserved=Operators(settings.admin.operators))
    expired: list[Forget] = [sessions.forget_dead]
    app[EXPIRED] = expired
    app.cleanup_ctx.append(forget_expired)
    return tokens


def setup_rooms(app: web.Application, settings: Settings, rooms: Rooms) -> None:
    """Add what keeps rooms. Raise SettingsError, StartError."""
    database = app[DATABASE]
    tokens = JoinTokens(signing_secret(settings), previous_secrets(settings))
    app[signaling_http.DOOR] = StoredDoor(database, rooms, tokens)
    recorder = Recorder(database, rooms.settings.chat_history)
    rooms.record = recorder.record
    app[REGISTRY].register(RecorderMetrics(recorder))
    app.cleanup_ctx.append(recorder.run)
    app[EXPIRED].append(Expiry(database, rooms, settings.rooms.keep_unused).forget)
    rooms_http.setup(app, database, rooms, tokens, ApiKeys(database))


def setup_webhooks(app: web.Application, settings: Settings, rooms: Rooms) -> None:
    """Add what tells other programs of what happens in rooms."""
    outbox = Outbox(settings.webhooks.config, app[DATABASE], f"Chatter/{version()}")
    app[REGISTRY].register(WebhookMetrics(outbox))
    app[EXPIRED].append(outbox.forget)
    if not outbox.settings.endpoints:
        return
    keep = rooms.record

    def record(event: RoomEvent) -> None:
        keep(event)
        outbox.record(event)

    rooms.record = record
    app.cleanup_ctx.append(outbox.run)


def signing_secret(settings: Settings) -> str:
    """Return the secret that signs access tokens; beside an embedded database one is made and kept.

    Raises SettingsError if a database server is used without one (all nodes must share it), and StartError if
    the data folder cannot be used.
    """
    data = DataFolder(settings.data_dir)
    if settings.is_embedded:
        data.prepare()
    if settings.auth.secret is not None:
        return settings.auth.secret.get_secret_value()
    if not settings.is_embedded:
        raise SettingsError(
            f"AUTH_SECRET (auth.secret) is not set: with a PostgreSQL database it must be {SECRET}."
        )
    return data.secret()


def setup_monitoring(app: web.Application, settings: Settings, rooms: Rooms, metrics: HttpMetrics) -> None:
    """Add what looks at the calls while the app runs."""
    registry, wanted = app[REGISTRY], settings.metrics
    sampler = app[SAMPLER] = Sampler(rooms, app[MEDIA], app[JOINS], wanted.interval.total_seconds())
    lag = app[LOOP_LAG] = LoopLag(registry)
    registry.register(NodeMetrics(app[MEDIA], app[DATABASE], version()))
    if wanted.enabled:
        room_metrics = RoomMetrics(wanted.max_rooms, wanted.max_tracks if wanted.per_track else 0)
        sampler.on_snapshot(room_metrics.update)
        registry.register(room_metrics)
        metrics.add_text(room_metrics.text)
    sampler.on_snapshot(QualityMessages(rooms).update)
    app.cleanup_ctx.append(sampler.run)
    if wanted.enabled or settings.admin.operators:
        app.cleanup_ctx.append(lag.run)


def setup_admin(app: web.Application, settings: Settings, rooms: Rooms) -> None:
    """Add what operators see and do."""
    media, lag = app[MEDIA], app[LOOP_LAG]
    history = History(lambda: media.server.port_counters().get("sent", 0), lambda: lag.last)
    live = Live(rooms, media, app[JOINS], history, version(), watch=app[SAMPLER].watch)
    app[SAMPLER].on_snapshot(live.update)
    admin_http.setup(app, Operators(settings.admin.operators), live, app[DRAIN])


def previous_secrets(settings: Settings) -> list[str]:
    """Return the secrets that signed before and whose tokens are still good. Raise StartError."""
    if settings.auth.previous_secret is not None:
        return [settings.auth.previous_secret.get_secret_value()]
    if settings.is_embedded and settings.auth.secret is None:
        return DataFolder(settings.data_dir).previous_secrets()
    return []


def make_tracing(settings: Settings) -> Tracing:
    """Return the tracing, which exports where an endpoint is configured."""
    endpoint = settings.otel.exporter_otlp_endpoint
    if endpoint is None:
        return Tracing(settings.otel.service_name)
    return Tracing.to_endpoint(settings.otel.service_name, endpoint)


def room_settings(settings: Settings) -> RoomSettings:
    """Return the part of the settings that the rooms take."""
    rooms = settings.rooms
    return RoomSettings(
        mode=rooms.mode,
        p2p_limit=rooms.p2p_limit,
        max_participants=rooms.max_participants,
        guests=rooms.guests,
        chat_history=rooms.chat_history,
        chat_history_seconds=rooms.chat_history_age.total_seconds(),
        resume_seconds=rooms.resume_grace.total_seconds(),
        ice_servers=tuple(server.for_clients() for server in rooms.ice_servers),
        turn=settings.turn.server,
        allowed_origins=settings.server.cors_origins,
    )


def identify(request: web.Request) -> tuple[int, str] | None:
    """Return whom a request speaks for, if that is known."""
    identity = request.get(auth_http.IDENTITY)
    if identity is None and "token" in request.query:
        # A WebSocket, which cannot have headers in a browser.
        try:
            identity = request.app[auth_http.TOKENS].verify(request.query["token"])
        except TokenError:
            return None
    return None if identity is None else (identity.user_id, identity.username)


class HealthAnswer(Answer):
    """The process lives."""

    status: Literal["ok"]


@routes.get("/health")
async def health(_request: web.Request) -> HealthAnswer:
    """Tell that the process lives. Whether calls can be begun here is what /ready says."""
    return HealthAnswer(status="ok")


async def open_database(database: Database, embedded: bool) -> None:
    """Bring an embedded database up to date; check that a server's is. Raise StartError."""
    migrations = Migrations(database.engine)
    try:
        if embedded:
            for step in await migrations.up():
                LOG.info("Migrated the database", extra={"version": step.revision, "step": step.description})
            return
        await database.connect()
        pending = [step.revision for step in await migrations.status() if not step.applied]
    except UnknownVersionError as exc:
        raise StartError(str(exc)) from None
    except DATABASE_ERRORS as exc:
        raise unusable(database.url, exc) from None
    if pending:
        shown = database.url.render_as_string(hide_password=True)
        raise StartError(
            f"The database {shown} lacks the versions {', '.join(pending)}: run `chatter migrate up` first."
        )


def database_lifetime(database: Database, *, embedded: bool) -> Lifetime:
    """Return the context that has the database open while the app runs."""

    async def run(_app: web.Application) -> AsyncIterator[None]:
        try:
            await open_database(database, embedded)
            yield
        finally:
            await database.close()

    return run


async def forget_expired(app: web.Application) -> AsyncIterator[None]:
    """Delete expired rows while the app runs, at the start and each hour."""

    async def run() -> None:
        while True:
            for forget in app[EXPIRED]:
                try:
                    count = await forget()
                except DatabaseUnavailableError as exc:
                    LOG.warning("Expired rows could not be deleted", extra={"reason": str(exc)})
                    continue
                if count:
                    LOG.info("Deleted expired rows", extra={"count": count})
            await asyncio.sleep(EXPIRY_INTERVAL)

    task = asyncio.create_task(run())
    yield
    task.cancel()
    await asyncio.wait((task,))


def hasher_lifetime(passwords: PasswordHasher) -> Lifetime:
    """Return the context that ends the hashing with the app."""

    async def run(_app: web.Application) -> AsyncIterator[None]:
        yield
        passwords.close()

    return run


def tracing_lifetime(tracing: Tracing) -> Lifetime:
    """Return the context that exports the last spans when the app ends, within a bounded time."""

    async def run(_app: web.Application) -> AsyncIterator[None]:
        yield
        try:
            await asyncio.wait_for(asyncio.to_thread(tracing.close), TRACING_CLOSE_TIMEOUT)
        except TimeoutError:
            LOG.warning("The last traces could not be exported in time")

    return run
