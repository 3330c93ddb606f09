"""Reads the settings: the command line over the environment over the YAML file over the defaults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from chatter.errors import SettingsError
from chatter.settings import Settings

DEFAULT_CONFIG_PATH = "config/config.yaml"

KeyPath = tuple[str | int, ...]

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "SERVER_ADDR": ("server", "addr"),
    "SERVER_CORS_ORIGINS": ("server", "cors_origins"),
    "SERVER_TRUSTED_PROXIES": ("server", "trusted_proxies"),
    "AUTH_SECRET": ("auth", "secret"),
    "AUTH_PREVIOUS_SECRET": ("auth", "previous_secret"),
    "AUTH_ACCESS_TTL": ("auth", "access_ttl"),
    "AUTH_REFRESH_TTL": ("auth", "refresh_ttl"),
    "AUTH_BCRYPT_ROUNDS": ("auth", "bcrypt_rounds"),
    "AUTH_LOGIN_ATTEMPTS": ("auth", "login_attempts"),
    "AUTH_REGISTRATIONS": ("auth", "registrations"),
    "AUTH_REFRESHES": ("auth", "refreshes"),
    "DATABASE_URL": ("database", "url"),
    "POSTGRES_HOST": ("postgres", "host"),
    "POSTGRES_PORT": ("postgres", "port"),
    "POSTGRES_USER": ("postgres", "username"),
    "POSTGRES_PASSWORD": ("postgres", "password"),
    "POSTGRES_DB": ("postgres", "database"),
    "POSTGRES_MIN_CONNS": ("postgres", "min_conns"),
    "POSTGRES_MAX_CONNS": ("postgres", "max_conns"),
    "SERVER_MAX_CONNECTIONS_PER_ADDRESS": ("server", "max_connections_per_address"),
    "SERVER_DRAIN_TIMEOUT": ("server", "drain_timeout"),
    "SERVER_DRAIN_URL": ("server", "drain_url"),
    "DATA_DIR": ("data_dir",),
    "MEDIA_HOST": ("media", "host"),
    "MEDIA_PORT": ("media", "port"),
    "MEDIA_ANNOUNCED_ADDRESSES": ("media", "announced_addresses"),
    "MEDIA_TCP": ("media", "tcp"),
    "MEDIA_PLANE": ("media", "plane"),
    "MEDIA_THREADS": ("media", "threads"),
    "MEDIA_MAX_VIDEO_BITRATE": ("media", "max_video_bitrate"),
    "MEDIA_AUDIO_ROOM_SIZE": ("media", "audio_room_size"),
    "MEDIA_AUDIO_LOUDEST": ("media", "audio_loudest"),
    "MEDIA_HISTORY_SECONDS": ("media", "history_seconds"),
    "MEDIA_HISTORY_BYTES": ("media", "history_bytes"),
    "ROOMS_MODE": ("rooms", "mode"),
    "ROOMS_P2P_LIMIT": ("rooms", "p2p_limit"),
    "ROOMS_CHAT_HISTORY": ("rooms", "chat_history"),
    "ROOMS_CHAT_HISTORY_AGE": ("rooms", "chat_history_age"),
    "ROOMS_KEEP_UNUSED": ("rooms", "keep_unused"),
    "ROOMS_RESUME_GRACE": ("rooms", "resume_grace"),
    "ROOMS_MAX_PARTICIPANTS": ("rooms", "max_participants"),
    "ROOMS_GUESTS": ("rooms", "guests"),
    "ROOMS_ICE_SERVERS": ("rooms", "ice_servers"),
    "TURN_URLS": ("turn", "urls"),
    "TURN_SECRET": ("turn", "secret"),
    "TURN_TTL": ("turn", "ttl"),
    "WEBHOOKS_ENDPOINTS": ("webhooks", "endpoints"),
    "WEBHOOKS_SECRETS": ("webhooks", "secrets"),
    "WEBHOOKS_TIMEOUT": ("webhooks", "timeout"),
    "WEBHOOKS_MAX_ATTEMPTS": ("webhooks", "max_attempts"),
    "WEBHOOKS_MAX_AGE": ("webhooks", "max_age"),
    "WEBHOOKS_MAX_PENDING": ("webhooks", "max_pending"),
    "LOG_LEVEL": ("log", "level"),
    "LOG_FORMAT": ("log", "format"),
    "METRICS_ENABLED": ("metrics", "enabled"),
    "METRICS_INTERVAL": ("metrics", "interval"),
    "METRICS_PER_TRACK": ("metrics", "per_track"),
    "METRICS_MAX_TRACKS": ("metrics", "max_tracks"),
    "METRICS_MAX_ROOMS": ("metrics", "max_rooms"),
    "ADMIN_OPERATORS": ("admin", "operators"),
    "OTEL_SERVICE_NAME": ("otel", "service_name"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("otel", "exporter_otlp_endpoint"),
}

# Written as JSON in one variable.
STRUCTURED = frozenset({"ROOMS_ICE_SERVERS"})

SECRET_KEYS = frozenset(
    {"secret", "secrets", "previous_secret", "password", "credential", "url", "endpoints"}
)


@dataclass(frozen=True, slots=True)
class Override:
    """A setting from the command line."""

    option: str
    path: tuple[str, ...]
    value: str


def load_settings(environ: Mapping[str, str], overrides: Iterable[Override] = ()) -> Settings:
    """Return the settings. Raise SettingsError that names the setting, its value and what is allowed."""
    values, file = _read_file(environ)
    names: dict[tuple[str, ...], str] = {}
    given = [
        Override(name, path, environ[name])
        for name, path in ENVIRONMENT.items()
        if environ.get(name, "") != ""
    ]
    for override in (*given, *overrides):
        _put(values, override.path, _structured(override))
        names[override.path] = override.option
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        raise SettingsError(_sentence(exc, values, names, file)) from None
    return settings


def _read_file(environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    name = environ.get("CONFIG_PATH") or DEFAULT_CONFIG_PATH
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        if environ.get("CONFIG_PATH"):
            raise SettingsError(f'CONFIG_PATH is "{name}": there is no such file.') from None
        return {}, name
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise SettingsError(f'The settings file "{name}" cannot be read: {reason}.') from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise SettingsError(f'The settings file "{name}" is not valid YAML{where}.') from None
    if values is None:
        return {}, name
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise SettingsError(f'The settings file "{name}" must hold sections such as server: and auth:.')
    sections = {name for name, field in Settings.model_fields.items() if _model(field.annotation) is not None}
    # A section whose lines are all commented out.
    return {key: {} if value is None and key in sections else value for key, value in values.items()}, name


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        inner = values.get(key)
        # What is no section is refused below, under its own name.
        if inner is not None and not isinstance(inner, dict):
            return
        values = values.setdefault(key, {})
    values[path[-1]] = value


def _structured(override: Override) -> Any:
    if override.option not in STRUCTURED:
        return override.value
    try:
        return yaml.safe_load(override.value)
    except yaml.YAMLError:
        return override.value


def _sentence(
    exc: ValidationError, values: dict[str, Any], names: Mapping[tuple[str, ...], str], file: str
) -> str:
    error = exc.errors(include_context=False, include_url=False)[0]
    path: KeyPath = error["loc"]
    if error["type"] == "extra_forbidden":
        return _unknown_key(path, names, file)
    path, description = _described(path)
    name = _name(path, names, file)
    if error["type"] == "missing":
        return f"{name} is missing: it must be {description}."
    return f"{name} is {_shown(path, values)}: it must be {description}."


def _unknown_key(path: KeyPath, names: Mapping[tuple[str, ...], str], file: str) -> str:
    section: type[BaseModel] = Settings
    for key in path[:-1]:
        if isinstance(key, str):
            section = _model(section.model_fields[key].annotation) or section
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
    return f"{_name(path, names, file)} is not a setting: {hint}"


def _described(path: KeyPath) -> tuple[KeyPath, str]:
    """Return the part of `path` down to the value at fault, and the description of its field."""
    section: type[BaseModel] | None = Settings
    description, end = "a section with keys", 0
    for index, key in enumerate(path):
        if section is None or (isinstance(key, str) and key not in section.model_fields):
            break
        if isinstance(key, str):
            field = section.model_fields[key]
            section = _model(field.annotation)
            description = field.description or "a section with keys"
        end = index + 1
    # A member of a list is shown by itself.
    while end < len(path) and isinstance(path[end], int):
        end += 1
    return path[:end], description


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, also within Optional or a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model(arg)) is not None), None)


def _name(path: KeyPath, names: Mapping[tuple[str, ...], str], file: str) -> str:
    dotted = ".".join(str(key) for key in path)
    for length in range(len(path), 0, -1):
        option = names.get(tuple(str(key) for key in path[:length]))
        if option in STRUCTURED and length < len(path):
            return f"{option} ({dotted})"
        if option is not None:
            return option
    return f"{dotted} in {file}"


def _shown(path: KeyPath, values: Any) -> str:
    if any(key in SECRET_KEYS for key in path):
        return "not usable (its value is not shown)"
    value = values
    for key in path:
        # A list in one variable is still a text.
        if not isinstance(value, dict | list):
            break
        value = value[key]  # type: ignore[index]
    if isinstance(value, dict) and SECRET_KEYS & value.keys():
        return "not usable (it holds a secret and is not shown)"
    return f'"{value}"'
