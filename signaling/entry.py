"""What a client asks for in the address of its WebSocket: to join a room, or to resume."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from signaling.closing import Refused
from signaling.visit import Visit

Admission = Callable[[], Awaitable[Visit]]
"""Returns who it is. Raises Refused."""

# As in the header X-Device-ID.
_DEVICE = re.compile(r"[\x21-\x7e]{1,128}")
# A number that JavaScript can count to.
_SEQ = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Entry:
    """The parameters as they came; the properties check them."""

    room_id: str
    admission: Admission
    turned_away: Callable[[Visit], Awaitable[None]] | None = None
    """Told when somebody who was let in by `admission` is refused after all."""
    display_name: str = ""
    device_text: str = ""
    resume_token: str = ""
    """Empty: a join."""
    after_text: str = ""

    @property
    def device(self) -> str | None:
        """What the client calls its device. Raises Refused."""
        if self.device_text and not _DEVICE.fullmatch(self.device_text):
            raise Refused("bad_request", "device must be 1 to 128 printable ASCII characters without spaces.")
        return self.device_text or None

    @property
    def after(self) -> int | None:
        """The number of the last message that the client has; None where it does not say. Raises Refused."""
        if self.after_text and not _SEQ.fullmatch(self.after_text):
            raise Refused("bad_request", "after must be the seq of a message: 1 to 15 digits.")
        return int(self.after_text) if self.after_text else None
