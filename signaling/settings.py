"""What an operator can set about rooms and their WebSocket connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from signaling.turn import TurnServer

RoomMode = Literal["p2p", "sfu", "auto"]
"""What a room is made with; `auto` is p2p up to `RoomSettings.p2p_limit` participants, then SFU."""
Mode = Literal["p2p", "sfu"]
"""The media path that a room uses now."""

# Two names of 64 characters of 4 bytes, and four tracks with three encodings each.
WELCOME_BYTES_PER_PARTICIPANT = 2_048

# Of a chat message in the history besides its text: its ids, time and the name of its sender.
MESSAGE_BYTES = 512

ROOM_MODES: tuple[RoomMode, ...] = get_args(RoomMode)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """Settings of the signaling side. Raises ValueError that names the field when one is out of range."""

    mode: RoomMode = "auto"
    """The mode of rooms whose creator does not choose one."""
    p2p_limit: int = 2
    """Participants up to which an `auto` room stays peer-to-peer."""
    max_participants: int = 100
    """In one room."""
    max_rooms: int = 10_000
    """On this server, empty ones included."""
    guests: bool = True
    """Whether people without an account may join rooms that exist."""
    chat_history: int = 200
    """Chat messages that those who come late are given."""
    chat_history_seconds: float = 86_400.0
    """Their greatest age."""
    chat_history_characters: int = 50_000
    """All of them together: a `welcome` has to fit in the outbox."""
    max_waiting: int = 100
    """People in the lobby of one room."""
    ice_servers: tuple[Mapping[str, object], ...] = ()
    """Handed to clients as they are: RTCIceServer dictionaries (W3C WebRTC 1.0, section 4.2.4)."""
    turn: TurnServer | None = None
    """Handed to each client with credentials of its own that expire."""
    allowed_origins: tuple[str, ...] = ()
    """Origins besides the server's own whose pages may connect; "*" allows every page."""

    message_bytes: int = 65_536
    """Largest frame that a client may send, but for session descriptions."""
    description_bytes: int = 393_216
    """Largest frame with a session description: Chromium's offers take about 6 kB per person seen."""
    chat_characters: int = 4_000
    display_name_characters: int = 64
    messages_per_second: float = 50.0
    """What one client may send, on average over `rate_window`."""
    rate_window: float = 10.0
    """Seconds."""

    send_queue_messages: int = 256
    """Messages that may wait for one client; one more and it is disconnected as too slow.

    As many are kept for a client that resumes, together with those that wait.
    """
    send_queue_bytes: int = 1_000_000
    """Likewise in bytes, besides the `welcome`, which grows with `max_participants`."""
    send_buffer_bytes: int = 262_144
    """The kernel's send buffer per connection (SO_SNDBUF): bounds what a stalled client holds."""
    send_timeout: float = 30.0
    """Seconds that one message may wait for the client to read."""
    heartbeat: float = 10.0
    """Seconds of silence after which the client is pinged; it has half as long to answer."""
    close_timeout: float = 2.0
    """Seconds that a client has to answer a close before its connection is cut."""

    resume_seconds: float = 30.0
    """Seconds that a participant whose connection broke stays in the room; 0: it leaves at once."""
    created_grace: float = 600.0
    """Seconds that a created room waits for its first participant."""
    empty_grace: float = 60.0
    """Seconds that a room outlives its last participant: a guest who lost the network finds it again."""
    sweep_interval: float = 1.0
    """Seconds between two looks for participants and rooms whose time is over."""

    def ice_servers_for(self, name: str) -> list[dict[str, object]]:
        """Return the RTCIceServer dictionaries for a client of that name, with fresh credentials."""
        servers = [dict(server) for server in self.ice_servers]
        return [*servers, self.turn.for_client(name)] if self.turn is not None else servers

    @property
    def outbox_bytes(self) -> int:
        """Bytes that may wait for one client, so that a full room never makes its newcomer too slow."""
        people = self.max_participants + self.max_waiting
        # A character has up to four bytes in UTF-8, and two where JSON escapes it.
        history = 4 * self.chat_history_characters + MESSAGE_BYTES * self.chat_history
        return self.send_queue_bytes + WELCOME_BYTES_PER_PARTICIPANT * people + history

    @property
    def history_seconds(self) -> float:
        """Seconds for which messages are kept that a connection seems to have delivered.

        A dead connection is noticed after one and a half heartbeats, and may then be resumed.
        """
        return 1.5 * self.heartbeat + self.resume_seconds

    def __post_init__(self) -> None:
        if self.mode not in ROOM_MODES:
            raise ValueError(f"mode is {self.mode!r}; it must be one of {', '.join(ROOM_MODES)}")
        for name in (
            "p2p_limit",
            "max_participants",
            "max_rooms",
            "message_bytes",
            "description_bytes",
            "chat_characters",
            "display_name_characters",
            "messages_per_second",
            "rate_window",
            "send_queue_messages",
            "send_queue_bytes",
            "send_buffer_bytes",
            "send_timeout",
            "heartbeat",
            "close_timeout",
            "sweep_interval",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be greater than 0")
        for name in (
            "chat_history",
            "chat_history_seconds",
            "chat_history_characters",
            "max_waiting",
            "resume_seconds",
            "created_grace",
            "empty_grace",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must not be negative")
