"""What a username, a password and a device id may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from auth.errors import ApiError

USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,32}")
PASSWORD_LENGTH = range(8, 129)

# Printable ASCII, as it travels in a header.
DEVICE_ID = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A username and a password as the client sent them."""

    username: str
    password: str

    @classmethod
    def parse(cls, body: Any) -> Credentials:
        """Read a JSON body. Raise ApiError 400 that names the field that is missing or no string."""
        if not isinstance(body, dict):
            raise ApiError(
                400, "invalid_body", 'The body must be a JSON object {"username": …, "password": …}.'
            )
        values = []
        for field in ("username", "password"):
            value = body.get(field)
            if not isinstance(value, str):
                raise ApiError(400, f"invalid_{field}", f'"{field}" is missing or is not a string.')
            values.append(value)
        return cls(*values)

    def check_new(self) -> None:
        """Raise ApiError 400 unless an account may be made of these."""
        if not USERNAME.fullmatch(self.username):
            raise ApiError(
                400,
                "invalid_username",
                '"username" must be 3 to 32 of the letters a–z, digits, "_", "." and "-".',
            )
        if len(self.password) not in PASSWORD_LENGTH:
            raise ApiError(400, "invalid_password", '"password" must be 8 to 128 characters long.')
        if not _hashable(self.password):
            raise ApiError(400, "invalid_password", '"password" holds a character that cannot be used.')

    def could_exist(self) -> bool:
        """Whether any account can have these, so that a hash is worth its cost."""
        return (
            USERNAME.fullmatch(self.username) is not None
            and len(self.password) in PASSWORD_LENGTH
            and _hashable(self.password)
        )


def check_device_id(value: str | None) -> str:
    """Return the X-Device-ID header's value. Raise ApiError 400 if it is missing or malformed."""
    if value is None:
        raise ApiError(400, "missing_device_id", "The X-Device-ID header is required: an id of this device.")
    if not DEVICE_ID.fullmatch(value):
        raise ApiError(
            400,
            "invalid_device_id",
            "The X-Device-ID header must be 1 to 128 printable characters without spaces.",
        )
    return value


def _hashable(password: str) -> bool:
    # JSON can carry lone surrogates ("\ud800"), which have no UTF-8; bcrypt takes no NUL.
    try:
        return b"\0" not in password.encode()
    except UnicodeEncodeError:
        return False
