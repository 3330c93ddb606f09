"""What an operator can set. The descriptions say what is allowed: they end up in error messages."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yarl
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from sqlalchemy import URL

from auth.tokens import MIN_SECRET_BYTES
from chatter.address import ListenAddress
from chatter.database_url import parse_database_url
from chatter.durations import parse_duration
from sfu.config import MediaConfig
from sfu.plane import PlaneKind
from signaling.turn import TurnServer
from webhooks.settings import Endpoint, WebhookSettings
from webhooks.signature import parse_secret

ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9._-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
ICE_URL = re.compile(r"(stuns?|turns?):[^\s?]+(\?transport=(udp|tcp))?")


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("not a duration")
    return parse_duration(value)


def _comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _origin(value: str) -> str:
    if not ORIGIN.fullmatch(value):
        raise ValueError("not an origin")
    return value


def _address(value: str) -> str:
    ListenAddress.parse(value)
    return value


def _ip_address(value: str) -> str:
    return str(ipaddress.ip_address(value))


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value))


def _ice_url(value: str) -> str:
    if not ICE_URL.fullmatch(value):
        raise ValueError("not a STUN or TURN URL")
    return value


def _turn_url(value: str) -> str:
    if not (ICE_URL.fullmatch(value) and value.startswith("turn")):
        raise ValueError("not a TURN URL")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
        raise ValueError("too short")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    parse_database_url(value.get_secret_value())
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    url = yarl.URL(text)
    if url.scheme not in ("http", "https") or not url.host or url.fragment or re.search(r"\s", text):
        raise ValueError("not an HTTP URL")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    parse_secret(value.get_secret_value())
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
DurationOrZero = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]
Port = Annotated[int, Field(ge=0, le=65535)]

DURATION = "a duration greater than zero such as 24h, 1h30m or 90s"
SECRET = f"at least {MIN_SECRET_BYTES} bytes (256 bits), for instance from `openssl rand -hex 32`"


class Section(BaseModel):
    """A part of the settings. Unknown keys are refused: they are typing errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(Section):
    """The HTTP side."""

    addr: Annotated[str, AfterValidator(_address)] = Field(
        ":8080", description="host:port or :port, such as :8080 or 127.0.0.1:8080"
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_comma_separated)
    ] = Field(
        ("http://localhost:5173",),
        description="origins such as https://example.com (no path; several separated by commas), or *",
    )

    max_connections_per_address: int = Field(512, ge=1, le=1_000_000, description="1 to 1000000 connections")
    drain_timeout: DurationOrZero = Field(
        timedelta(seconds=5), description="a duration such as 30s, or 0s to end at once"
    )
    drain_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+$",
        description="a URL without a path such as https://b.example.com",
    )
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_comma_separated)
    ] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="IP addresses or networks such as 10.0.0.0/8 (several separated by commas)",
    )

    @property
    def address(self) -> ListenAddress:
        """`addr`, parsed."""
        return ListenAddress.parse(self.addr)


class AuthSettings(Section):
    """Accounts."""

    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(None, description=SECRET)
    previous_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(None, description=SECRET)
    access_ttl: Duration = Field(timedelta(hours=24), description=DURATION)
    refresh_ttl: Duration = Field(timedelta(hours=1440), description=DURATION)
    bcrypt_rounds: int = Field(12, ge=4, le=16, description="4 to 16, and 10 or more for real passwords")
    login_attempts: int = Field(10, ge=0, le=100_000, description="0 to 100000 tries (0: no limit)")
    registrations: int = Field(20, ge=0, le=100_000, description="0 to 100000 accounts (0: no limit)")
    refreshes: int = Field(30, ge=0, le=100_000, description="0 to 100000 refreshes (0: no limit)")


class PostgresSettings(Section):
    """A PostgreSQL server."""

    host: str = Field("chatter-postgres", min_length=1, description="a host name or address")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(5432, description="1 to 65535")
    username: str = Field("postgres", min_length=1, description="a user name")
    password: SecretStr = Field(SecretStr(""), description="a password")
    database: str = Field("postgres", min_length=1, description="the name of a database")
    min_conns: int = Field(1, ge=0, le=1000, description="0 to 1000 connections")
    max_conns: int = Field(100, ge=1, le=1000, description="1 to 1000 connections and at least min_conns")

    @field_validator("max_conns")
    @classmethod
    def _at_least_min(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("min_conns", 0):
            raise ValueError("less than min_conns")
        return value

    @property
    def url(self) -> URL:
        """The URL of the database."""
        return URL.create(
            "postgresql+asyncpg",
            username=self.username,
            password=self.password.get_secret_value() or None,
            host=self.host,
            port=self.port,
            database=self.database,
        )


class RedisSettings(Section):
    """Reserved: one node needs no Redis."""

    host: str = Field("redis", description="a host name or address")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(6379, description="1 to 65535")
    username: str = Field("default", description="a user name")
    password: SecretStr = Field(SecretStr(""), description="a password")
    db: int = Field(0, ge=0, description="0 or more")


class DatabaseSettings(Section):
    """The database by URL; it goes before `postgres`."""

    url: Annotated[SecretStr, AfterValidator(_database_url)] | None = Field(
        None, description="postgresql://user:password@host:port/database or sqlite:///path/to/file.db"
    )


class MediaSettings(Section):
    """The media server."""

    host: str = Field("", description="an address to listen on, or empty for all")
    port: Port = Field(10000, description="a UDP port, 0 to 65535 (0: a free one)")
    tcp: bool = Field(True, description="true or false")
    announced_addresses: Annotated[
        tuple[Annotated[str, AfterValidator(_ip_address)], ...], BeforeValidator(_comma_separated)
    ] = Field((), description="IP addresses, several separated by commas")
    plane: PlaneKind = Field("auto", description="auto, fast or reference")
    threads: int = Field(0, ge=0, le=64, description="0 to 64 (0: one per core)")
    max_video_bitrate: int = Field(
        2_500_000, ge=50_000, le=100_000_000, description="50000 to 100000000 bits per second"
    )
    audio_room_size: int = Field(16, ge=0, le=10_000, description="0 to 10000 participants")
    audio_loudest: int = Field(8, ge=1, le=1_000, description="1 to 1000 microphones")
    history_seconds: float = Field(1.0, ge=0.1, le=10.0, description="0.1 to 10 seconds")
    history_bytes: int = Field(268_435_456, ge=0, le=1 << 40, description="0 to 1099511627776 bytes")

    @field_validator("host")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _ip_address(value) if value else value

    @property
    def config(self) -> MediaConfig:
        """What the media server takes."""
        return MediaConfig(
            host=self.host,
            port=self.port,
            tcp=self.tcp,
            announced_addresses=self.announced_addresses,
            plane=self.plane,
            threads=self.threads,
            max_video_bitrate=self.max_video_bitrate,
            audio_room_size=self.audio_room_size,
            audio_loudest=self.audio_loudest,
            history_seconds=self.history_seconds,
            history_bytes=self.history_bytes,
        )


class IceServer(Section):
    """A STUN or TURN server for clients, as RTCPeerConnection takes it."""

    urls: Annotated[
        tuple[Annotated[str, AfterValidator(_ice_url)], ...], BeforeValidator(_comma_separated)
    ] = Field(min_length=1, description="URLs such as stun:host:3478 or turn:host:3478?transport=tcp")
    username: str | None = Field(None, description="a user name")
    credential: SecretStr | None = Field(None, description="a password")

    def for_clients(self) -> Mapping[str, object]:
        """Return the RTCIceServer dictionary; clients are meant to have the credential."""
        server: dict[str, object] = {"urls": list(self.urls)}
        if self.username is not None:
            server["username"] = self.username
        if self.credential is not None:
            server["credential"] = self.credential.get_secret_value()
        return server


class RoomsSettings(Section):
    """Rooms."""

    mode: Literal["auto", "p2p", "sfu"] = Field("auto", description="auto, p2p or sfu")
    p2p_limit: int = Field(2, ge=1, le=8, description="1 to 8 participants")
    max_participants: int = Field(100, ge=2, le=10_000, description="2 to 10000")
    guests: bool = Field(True, description="true or false")
    chat_history: int = Field(200, ge=0, le=1_000, description="0 to 1000 messages")
    chat_history_age: Duration = Field(timedelta(hours=24), description=DURATION)
    keep_unused: Duration = Field(timedelta(days=365), description=DURATION)
    resume_grace: Duration = Field(timedelta(seconds=30), description=DURATION)
    ice_servers: tuple[IceServer, ...] = Field(
        (), description='a list such as [{"urls": ["stun:stun.example.com:3478"]}]'
    )


class TurnSettings(Section):
    """A TURN server of the operator's own, for clients whose network lets nothing else through."""

    urls: Annotated[
        tuple[Annotated[str, AfterValidator(_turn_url)], ...], BeforeValidator(_comma_separated)
    ] = Field((), description="URLs such as turn:turn.example.com:3478?transport=udp, separated by commas")
    secret: SecretStr | None = Field(
        None, min_length=16, description="16 characters or more, the static-auth-secret of the TURN server"
    )
    ttl: Duration = Field(timedelta(hours=24), description=DURATION)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.urls) != (self.secret is not None):
            raise ValueError("urls and secret belong together")
        return self

    @property
    def server(self) -> TurnServer | None:
        """What rooms take; None where there is none."""
        if self.secret is None:
            return None
        return TurnServer(self.urls, self.secret.get_secret_value(), self.ttl.total_seconds())


class WebhooksSettings(Section):
    """Programs that are told what happens in rooms. URLs may hold secrets of theirs."""

    endpoints: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_webhook_url)], ...], BeforeValidator(_comma_separated)
    ] = Field((), description="URLs such as https://example.com/chatter, several separated by commas")
    secrets: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_webhook_secret)], ...], BeforeValidator(_comma_separated)
    ] = Field(
        (),
        description="whsec_ and base64 of 24 to 64 bytes, for instance from "
        '`echo "whsec_$(openssl rand -base64 32)"`, several separated by commas',
    )
    timeout: Duration = Field(
        timedelta(seconds=10), le=timedelta(minutes=5), description="a duration such as 10s, at most 5m"
    )
    max_attempts: int = Field(20, ge=1, le=1_000, description="1 to 1000 attempts")
    max_age: Duration = Field(timedelta(hours=24), description=DURATION)
    max_pending: int = Field(10_000, ge=1, le=1_000_000, description="1 to 1000000 messages")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.endpoints) != bool(self.secrets):
            raise ValueError("endpoints and secrets belong together")
        return self

    @property
    def config(self) -> WebhookSettings:
        """What webhooks take."""
        return WebhookSettings(
            endpoints=tuple(Endpoint(url.get_secret_value()) for url in dict.fromkeys(self.endpoints)),
            keys=tuple(parse_secret(secret.get_secret_value()) for secret in self.secrets),
            timeout=self.timeout.total_seconds(),
            max_attempts=self.max_attempts,
            max_age=self.max_age.total_seconds(),
            max_pending=self.max_pending,
        )


class LogSettings(Section):
    """Logs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    format: Literal["auto", "json", "console"] = Field("auto", description="auto, json or console")

    @field_validator("level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class MetricsSettings(Section):
    """What Prometheus gets beyond totals."""

    enabled: bool = Field(True, description="true or false")
    interval: Duration = Field(timedelta(seconds=5), description=DURATION)
    per_track: bool = Field(True, description="true or false")
    max_tracks: int = Field(100, ge=1, le=10_000, description="1 to 10000")
    max_rooms: int = Field(100, ge=1, le=10_000, description="1 to 10000")


class AdminSettings(Section):
    """Operators."""

    operators: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = Field(
        (), description="names of accounts, several separated by commas"
    )


class OtelSettings(Section):
    """Traces; they are exported where there is an endpoint."""

    service_name: str = Field("chatter", min_length=1, description="a name")
    exporter_otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://\S+$", description="an http:// or https:// URL such as http://tempo:4318"
    )


class Settings(Section):
    """All settings."""

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    database: DatabaseSettings = DatabaseSettings()
    postgres: PostgresSettings | None = Field(None, description="a section")
    redis: RedisSettings | None = Field(None, description="a section")
    data_dir: Path = Field(Path("data"), description="a folder")
    media: MediaSettings = MediaSettings()
    rooms: RoomsSettings = RoomsSettings()
    turn: TurnSettings = Field(TurnSettings(), description="urls and secret, or none of them")
    webhooks: WebhooksSettings = Field(
        WebhooksSettings(), description="endpoints and secrets, or none of them"
    )
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    admin: AdminSettings = AdminSettings()
    otel: OtelSettings = OtelSettings()

    @property
    def database_url(self) -> URL:
        """That of the URL, else PostgreSQL where it is configured, else a file in the data folder."""
        if self.database.url is not None:
            return parse_database_url(self.database.url.get_secret_value())
        if self.postgres is not None:
            return self.postgres.url
        return URL.create("sqlite+aiosqlite", database=str(self.data_dir / "chatter.db"))

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a file that only this server uses."""
        return self.database_url.get_backend_name() == "sqlite"
