from datetime import timedelta
from pathlib import Path

import pytest

from chatter.errors import SettingsError
from chatter.loader import ENVIRONMENT, Override, load_settings
from chatter.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config" / "config.example.yaml"
SECRET = "0123456789abcdef0123456789abcdef"
WEBHOOK_SECRET = "whsec_" + "A" * 32

ORIGINAL = """
server:
  addr: ":8080"
  cors_origins:
    - "http://localhost:5173"
auth:
  secret: "a-string-secret-at-least-256-bits-long"
  access_ttl: 24h
  refresh_ttl: 1440h
postgres:
  host: chatter-postgres
  port: 5432
  username: postgres
  password: password
  database: postgres
  min_conns: 1
  max_conns: 100
redis:
  host: redis
  port: 6379
  username: default
  password: password
  db: 0
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load from a file of this text and these variables."""
    monkeypatch.chdir(tmp_path)

    def load(yaml="", overrides=(), **environ):
        (tmp_path / "chatter.yaml").write_text(yaml)
        return load_settings({"CONFIG_PATH": "chatter.yaml", **environ}, overrides)

    return load


def refusal(load, *arguments, **environ):
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **environ)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_the_defaults_are_the_original_ones(load):
    settings = load()
    assert settings.server.addr == ":8080"
    assert settings.server.cors_origins == ("http://localhost:5173",)
    assert (settings.auth.access_ttl, settings.auth.refresh_ttl) == (
        timedelta(hours=24),
        timedelta(hours=1440),
    )
    assert (settings.otel.service_name, settings.otel.exporter_otlp_endpoint) == ("chatter", None)
    assert (settings.data_dir, settings.media.config.port, settings.rooms.mode) == (
        Path("data"),
        10000,
        "auto",
    )
    assert settings.database_url.render_as_string() == "sqlite+aiosqlite:///data/chatter.db"
    assert settings.is_embedded


def test_the_example_file_says_the_defaults():
    assert load_settings({"CONFIG_PATH": str(EXAMPLE)}) == Settings()


def test_the_example_file_names_every_variable():
    text = EXAMPLE.read_text()
    assert [name for name in ENVIRONMENT if name not in text] == []


def test_reads_the_original_file(load):
    settings = load(ORIGINAL)
    assert settings.database_url.render_as_string(hide_password=False) == (
        "postgresql+asyncpg://postgres:password@chatter-postgres:5432/postgres"
    )
    assert (settings.postgres.min_conns, settings.postgres.max_conns) == (1, 100)
    assert not settings.is_embedded


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("SERVER_ADDR", "127.0.0.1:9000", "server.addr", "127.0.0.1:9000"),
        (
            "SERVER_CORS_ORIGINS",
            "https://a.example, http://b:1",
            "server.cors_origins",
            ("https://a.example", "http://b:1"),
        ),
        ("SERVER_CORS_ORIGINS", "*", "server.cors_origins", ("*",)),
        ("AUTH_ACCESS_TTL", "1h30m", "auth.access_ttl", timedelta(minutes=90)),
        ("AUTH_REFRESH_TTL", "90s", "auth.refresh_ttl", timedelta(seconds=90)),
        ("AUTH_BCRYPT_ROUNDS", "10", "auth.bcrypt_rounds", 10),
        ("POSTGRES_HOST", "db", "postgres.host", "db"),
        ("POSTGRES_PORT", "5433", "postgres.port", 5433),
        ("POSTGRES_USER", "me", "postgres.username", "me"),
        ("POSTGRES_DB", "mine", "postgres.database", "mine"),
        ("POSTGRES_MIN_CONNS", "2", "postgres.min_conns", 2),
        ("POSTGRES_MAX_CONNS", "3", "postgres.max_conns", 3),
        ("DATA_DIR", "/srv/chatter", "data_dir", Path("/srv/chatter")),
        ("MEDIA_HOST", "::1", "media.config.host", "::1"),
        ("MEDIA_PORT", "0", "media.config.port", 0),
        (
            "MEDIA_ANNOUNCED_ADDRESSES",
            "203.0.113.5,2001:db8::5",
            "media.config.announced_addresses",
            ("203.0.113.5", "2001:db8::5"),
        ),
        ("MEDIA_PLANE", "reference", "media.config.plane", "reference"),
        ("MEDIA_THREADS", "3", "media.config.threads", 3),
        ("MEDIA_MAX_VIDEO_BITRATE", "900000", "media.config.max_video_bitrate", 900_000),
        ("ROOMS_MODE", "sfu", "rooms.mode", "sfu"),
        ("ROOMS_P2P_LIMIT", "3", "rooms.p2p_limit", 3),
        ("ROOMS_MAX_PARTICIPANTS", "5", "rooms.max_participants", 5),
        ("ROOMS_GUESTS", "false", "rooms.guests", False),
        ("ROOMS_CHAT_HISTORY", "5", "rooms.chat_history", 5),
        ("ROOMS_CHAT_HISTORY_AGE", "1h", "rooms.chat_history_age", timedelta(hours=1)),
        ("ROOMS_KEEP_UNUSED", "48h", "rooms.keep_unused", timedelta(hours=48)),
        ("ROOMS_RESUME_GRACE", "5s", "rooms.resume_grace", timedelta(seconds=5)),
        ("WEBHOOKS_TIMEOUT", "2s", "webhooks.config.timeout", 2.0),
        ("WEBHOOKS_MAX_ATTEMPTS", "3", "webhooks.config.max_attempts", 3),
        ("WEBHOOKS_MAX_AGE", "1h", "webhooks.config.max_age", 3600.0),
        ("WEBHOOKS_MAX_PENDING", "9", "webhooks.config.max_pending", 9),
        ("LOG_LEVEL", "DEBUG", "log.level", "debug"),
        ("LOG_FORMAT", "json", "log.format", "json"),
        ("OTEL_SERVICE_NAME", "other", "otel.service_name", "other"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://tempo:4318",
            "otel.exporter_otlp_endpoint",
            "http://tempo:4318",
        ),
    ],
)
def test_the_environment_goes_before_the_file(load, name, value, path, expected):
    found = load(ORIGINAL, **{name: value})
    for key in path.split("."):
        found = getattr(found, key)
    assert found == expected


def test_secrets_are_not_shown(load):
    settings = load(ORIGINAL, AUTH_SECRET=SECRET, DATABASE_URL="postgresql://me:hidden@db/chatter")
    assert settings.auth.secret.get_secret_value() == SECRET
    assert not any(secret in repr(settings) for secret in (SECRET, "password@", "hidden"))


def test_ice_servers_are_json_in_a_variable(load):
    settings = load(
        ROOMS_ICE_SERVERS='[{"urls": ["turn:turn.example.com:3478?transport=udp"], "username": "u", '
        '"credential": "c"}, {"urls": "stun:stun.example.com"}]'
    )
    assert [server.for_clients() for server in settings.rooms.ice_servers] == [
        {"urls": ["turn:turn.example.com:3478?transport=udp"], "username": "u", "credential": "c"},
        {"urls": ["stun:stun.example.com"]},
    ]


def test_a_turn_server(load):
    settings = load(TURN_URLS="turn:t:3478?transport=udp, turns:t:5349", TURN_SECRET="x" * 16, TURN_TTL="1h")
    server = settings.turn.server
    assert (server.urls, server.secret, server.ttl) == (
        ("turn:t:3478?transport=udp", "turns:t:5349"),
        "x" * 16,
        3600,
    )
    assert load().turn.server is None


def test_webhooks(load):
    urls = "http://10.0.0.7:8000/in?key=hidden, http://b"
    secrets = f"{WEBHOOK_SECRET}, whsec_{'B' * 40}"
    settings = load(WEBHOOKS_ENDPOINTS=urls, WEBHOOKS_SECRETS=secrets)
    config = settings.webhooks.config
    assert [endpoint.url for endpoint in config.endpoints] == urls.split(", ")
    assert config.keys == (bytes(24), bytes((4, 16, 65)) * 10)
    assert not any(secret in repr(settings) for secret in ("hidden", "AAAA", "BBBB"))
    assert load().webhooks.config.endpoints == ()


def test_the_command_line_goes_before_the_environment(load):
    settings = load(overrides=[Override("--addr", ("server", "addr"), ":9")], SERVER_ADDR=":8")
    assert settings.server.addr == ":9"


def test_an_empty_variable_is_none(load):
    settings = load(POSTGRES_HOST="", SERVER_ADDR="")
    assert settings.is_embedded
    assert settings.server.addr == ":8080"


@pytest.mark.parametrize(
    ("environ", "yaml", "url"),
    [
        ({}, "", "sqlite+aiosqlite:///data/chatter.db"),
        ({"DATA_DIR": "/srv"}, "", "sqlite+aiosqlite:////srv/chatter.db"),
        ({"DATABASE_URL": "sqlite:///my.db"}, ORIGINAL, "sqlite+aiosqlite:///my.db"),
        ({"DATABASE_URL": "sqlite:////srv/my.db"}, "", "sqlite+aiosqlite:////srv/my.db"),
        (
            {"POSTGRES_PASSWORD": "p/@"},
            "",
            "postgresql+asyncpg://postgres:p%2F%40@chatter-postgres:5432/postgres",
        ),
        ({}, "postgres:", "postgresql+asyncpg://postgres@chatter-postgres:5432/postgres"),
        ({"POSTGRES_INITDB_ARGS": "x"}, "", "sqlite+aiosqlite:///data/chatter.db"),
        ({"DATABASE_URL": "postgres://me@db/chatter"}, "", "postgresql+asyncpg://me@db/chatter"),
        (
            {"DATABASE_URL": "postgresql://me:p@db:1/chatter?sslmode=require"},
            ORIGINAL,
            "postgresql+asyncpg://me:p@db:1/chatter?ssl=require",
        ),
    ],
)
def test_which_database(load, environ, yaml, url):
    assert load(yaml, **environ).database_url.render_as_string(hide_password=False) == url


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SERVER_ADDR": "8080"}, 'SERVER_ADDR is "8080": it must be host:port or :port'),
        ({"SERVER_CORS_ORIGINS": "example.com"}, 'SERVER_CORS_ORIGINS is "example.com": it must be origins'),
        ({"AUTH_ACCESS_TTL": "a day"}, 'AUTH_ACCESS_TTL is "a day": it must be a duration greater than zero'),
        ({"AUTH_ACCESS_TTL": "0s"}, 'AUTH_ACCESS_TTL is "0s": it must be a duration greater than zero'),
        ({"AUTH_BCRYPT_ROUNDS": "99"}, 'AUTH_BCRYPT_ROUNDS is "99": it must be 4 to 16'),
        ({"POSTGRES_PORT": "x"}, 'POSTGRES_PORT is "x": it must be 1 to 65535'),
        ({"POSTGRES_MIN_CONNS": "9", "POSTGRES_MAX_CONNS": "8"}, 'POSTGRES_MAX_CONNS is "8": it must be'),
        ({"MEDIA_HOST": "localhost"}, 'MEDIA_HOST is "localhost": it must be an address'),
        ({"MEDIA_PLANE": "rust"}, 'MEDIA_PLANE is "rust": it must be auto, fast or reference'),
        ({"MEDIA_THREADS": "65"}, 'MEDIA_THREADS is "65": it must be 0 to 64'),
        ({"MEDIA_PORT": "70000"}, 'MEDIA_PORT is "70000": it must be a UDP port'),
        (
            {"MEDIA_ANNOUNCED_ADDRESSES": "1.2.3.4,me"},
            'MEDIA_ANNOUNCED_ADDRESSES is "1.2.3.4,me": it must be IP',
        ),
        ({"ROOMS_MODE": "mesh"}, 'ROOMS_MODE is "mesh": it must be auto, p2p or sfu'),
        ({"ROOMS_GUESTS": "perhaps"}, 'ROOMS_GUESTS is "perhaps": it must be true or false'),
        ({"ROOMS_ICE_SERVERS": "stun:a"}, 'ROOMS_ICE_SERVERS is "stun:a": it must be a list'),
        (
            {"ROOMS_ICE_SERVERS": "[{}]"},
            "ROOMS_ICE_SERVERS (rooms.ice_servers.0.urls) is missing: it must be URLs",
        ),
        ({"TURN_URLS": "stun:a", "TURN_SECRET": "x" * 16}, 'TURN_URLS is "stun:a": it must be URLs such as'),
        ({"LOG_LEVEL": "loud"}, 'LOG_LEVEL is "loud": it must be debug, info, warning or error'),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "tempo"},
            'OTEL_EXPORTER_OTLP_ENDPOINT is "tempo": it must be an http://',
        ),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_what_is_allowed(load, environ, sentence):
    assert refusal(load, **environ).startswith(sentence)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"AUTH_SECRET": "short-hidden"}, "AUTH_SECRET"),
        ({"TURN_SECRET": "hidden", "TURN_URLS": "turn:t"}, "TURN_SECRET"),
        ({"WEBHOOKS_ENDPOINTS": "ftp://hidden", "WEBHOOKS_SECRETS": WEBHOOK_SECRET}, "WEBHOOKS_ENDPOINTS"),
        ({"WEBHOOKS_ENDPOINTS": "http:///hidden", "WEBHOOKS_SECRETS": WEBHOOK_SECRET}, "WEBHOOKS_ENDPOINTS"),
        ({"WEBHOOKS_ENDPOINTS": "http://hidden"}, "webhooks"),
        ({"WEBHOOKS_ENDPOINTS": "http://a", "WEBHOOKS_SECRETS": "whsec_hidden"}, "WEBHOOKS_SECRETS"),
        ({"TURN_SECRET": "hidden-hidden-hidden"}, "turn"),
        ({"DATABASE_URL": "mysql://me:hidden@db/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "hidden"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///:memory:?hidden"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://me:hidden@/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://me:hidden@db:port/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://me:hidden@db/x?magic=1"}, "DATABASE_URL"),
        ({"ROOMS_ICE_SERVERS": '[{"urls": "stun:a", "credential": ["hidden"]}]'}, "ROOMS_ICE_SERVERS"),
    ],
)
def test_a_bad_secret_is_named_but_not_shown(load, environ, name):
    sentence = refusal(load, **environ)
    assert sentence.startswith(name)
    assert "it must be" in sentence
    assert "hidden" not in sentence


@pytest.mark.parametrize(
    ("yaml", "sentence"),
    [
        (
            "auth: {acess_ttl: 1h}",
            "auth.acess_ttl in chatter.yaml is not a setting: did you mean access_ttl?",
        ),
        ("sever: {}", "sever in chatter.yaml is not a setting: did you mean server?"),
        ("log: {zzz: 1}", "log.zzz in chatter.yaml is not a setting: known are level, format."),
        ("rooms: {ice_servers: [{url: x}]}", "rooms.ice_servers.0.url"),
        ("auth: {access_ttl: 5}", 'auth.access_ttl in chatter.yaml is "5": it must be a duration'),
        ("auth: 5", 'auth in chatter.yaml is "5": it must be a section'),
        ("server: {addr: }", 'server.addr in chatter.yaml is "None": it must be host:port'),
        ("auth: {secret: hidden}", "auth.secret in chatter.yaml is not usable (its value is not shown)"),
        ("[1]", 'The settings file "chatter.yaml" must hold sections'),
        ("a: [", 'The settings file "chatter.yaml" is not valid YAML (line 1)'),
    ],
)
def test_a_bad_file_is_named_with_the_place(load, yaml, sentence):
    assert refusal(load, yaml).startswith(sentence)


def test_a_variable_for_a_section_that_is_none(load):
    assert refusal(load, "auth: 5", AUTH_ACCESS_TTL="1h").startswith("auth in chatter.yaml")


def test_an_option_is_named(load):
    sentence = refusal(load, "", [Override("--media-port", ("media", "port"), "x")], MEDIA_PORT="5")
    assert sentence.startswith('--media-port is "x": it must be a UDP port')


def test_the_file_may_be_absent_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({}) == Settings()
    with pytest.raises(SettingsError, match=r'CONFIG_PATH is "no.yaml": there is no such file.'):
        load_settings({"CONFIG_PATH": "no.yaml"})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({"CONFIG_PATH": str(tmp_path)})
    (tmp_path / "latin.yaml").write_bytes(b"log: \xe4")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings({"CONFIG_PATH": str(tmp_path / "latin.yaml")})
