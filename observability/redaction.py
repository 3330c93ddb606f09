"""Keeps secrets out of logs and traces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

SECRET_PARAMETER = re.compile(r"(?i)(\b\w*(?:token|password|secret|resume)=)[^&\s\"'#;]+")
BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+")
SECRET_KEYS = frozenset(
    {"authorization", "cookie", "set-cookie", "token", "refresh_token", "password", "secret"}
)


def redact_text(text: str) -> str:
    """Return `text` without the values of `token=…` parameters and bearer tokens."""
    text = SECRET_PARAMETER.sub(rf"\1{REDACTED}", text)
    return BEARER.sub(rf"\1{REDACTED}", text)


def redact(value: Any) -> Any:
    """Return `value`, a tree of mappings and sequences, without secrets."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED if isinstance(key, str) and key.lower() in SECRET_KEYS else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value
