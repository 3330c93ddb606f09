"""What a username, a password and a device id may be."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from api.models import Body, Parameters

USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,32}")
PASSWORD_LENGTH = range(8, 129)

# Printable ASCII, as it travels in a header.
DEVICE_ID = re.compile(r"[\x21-\x7e]{1,128}")


Username = Annotated[
    str,
    Field(
        pattern=rf"^{USERNAME.pattern}$",
        description='3 to 32 of the letters a–z, digits, "_", "." and "-"',
        examples=["alice"],
    ),
]
NewPassword = Annotated[
    str,
    Field(
        min_length=PASSWORD_LENGTH.start,
        max_length=PASSWORD_LENGTH.stop - 1,
        pattern=r"^[^\x00]*$",
        description="8 to 128 characters long, without NUL",
        examples=["securepassword"],
    ),
]


class NewAccount(Body):
    """Who wants an account."""

    username: Username
    password: NewPassword


class Credentials(Body):
    """A username and a password as the client has them."""

    username: str = Field(description="a string", examples=["alice"])
    password: str = Field(description="a string", examples=["securepassword"])

    def could_exist(self) -> bool:
        """Whether any account can have these, so that a hash is worth its cost."""
        return (
            USERNAME.fullmatch(self.username) is not None
            and len(self.password) in PASSWORD_LENGTH
            and "\0" not in self.password
        )


class DeviceHeaders(Parameters):
    """Which device it is."""

    device_id: str = Field(
        alias="X-Device-ID",
        pattern=rf"^{DEVICE_ID.pattern}$",
        description="1 to 128 printable ASCII characters without spaces, an id that this device keeps",
        examples=["abc123def456"],
    )


class OptionalDeviceHeaders(Parameters):
    """Which device it is, if it says so."""

    device_id: str | None = Field(
        None,
        alias="X-Device-ID",
        pattern=rf"^{DEVICE_ID.pattern}$",
        description="1 to 128 printable ASCII characters without spaces, an id that this device keeps",
    )
