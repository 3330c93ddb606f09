"""A server that is about to end: what its participants are told meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from signaling.closing import Refused


@dataclass(frozen=True, slots=True)
class Draining:
    """No room is opened any more; those that there are go on for a while."""

    ends_at: float
    """Seconds since 1970: when the server ends at the latest."""
    url: str | None = None
    """Where to go meanwhile, such as https://other.example.com; None: to come back here."""

    @property
    def sentence(self) -> str:
        """For people who wanted a new room."""
        where = f"go to {self.url}" if self.url else "try again in a moment"
        return f"The server is about to restart and opens no new rooms; {where}."

    def refusal(self) -> Refused:
        """For who wanted to open a room by joining it."""
        return Refused("server_draining", self.sentence)


class ServerDraining(Exception):  # noqa: N818
    """The server opens no rooms any more; the message is a sentence for people."""

    def __init__(self, draining: Draining) -> None:
        super().__init__(draining.sentence)
        self.draining = draining
