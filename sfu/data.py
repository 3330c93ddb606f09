"""Data messages: from one participant's data channel to those of the others.

The server says who sent a message: what a client writes there is nothing that anybody reads.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from sfu.config import MediaConfig
from sfu.errors import MediaError
from sfu.events import DataRefused, Event
from sfu.rate import TokenBucket
from sfu.transport import Transport
from sfu.wire import envelope
from sfu.wire.envelope import Envelope, Message

# Seconds' worth of its rate that a client may send at once.
BURST = 2.0

# A client that floods is told of it, but not in a flood.
REFUSAL_INTERVAL = 1.0


class SendOutcome(enum.Enum):
    """What became of a message to one participant."""

    SENT = "sent"
    NO_CHANNEL = "no_channel"
    """The participant has opened no data channel."""
    FULL = "full"
    """Too much waits for the participant already."""


class DataSide(Protocol):
    """What has the data channels of the transports."""

    def send_data(self, transport: Transport, message: Message, lossy: bool) -> SendOutcome:
        """Queue a message to a client."""


class _Sender:
    """How much one transport may still send."""

    def __init__(self, config: MediaConfig, now: float) -> None:
        self.messages = TokenBucket(config.data_messages, config.data_messages * BURST, now)
        # A message of the largest size has to fit.
        burst = max(config.data_bytes * BURST, float(config.max_data_message))
        self.bytes = TokenBucket(config.data_bytes, burst, now)
        self.told: dict[str, float] = {}
        """Code of a refusal → when the client was last told of it."""


class DataRelay:
    """Decides who gets a data message, and tells the sender of those that are refused."""

    def __init__(self, config: MediaConfig, side: DataSide, emit: Callable[[Event], None]) -> None:
        self.may_send: Callable[[str, str], bool] = lambda _room_id, _participant_id: True
        """Whether a participant of a room may send data: asked for every message."""
        self.counts: Counter[str] = Counter()
        """Messages by what became of them: `received`, `sent` and `dropped_full` (one per recipient), and
        `refused_<code>`."""
        self._config = config
        self._side = side
        self._emit = emit
        self._senders: dict[int, _Sender] = {}
        """By the transport's row."""

    def closed(self, transport: Transport) -> None:
        """Forget a transport."""
        self._senders.pop(transport.row, None)

    def received(
        self,
        room_id: str,
        transports: Mapping[str, Transport],
        sender: Transport,
        message: Message,
        lossy: bool,
        now: float,
    ) -> None:
        """Give a message that `sender` sent to those that it is for. `transports`: of its room.

        A lossy message that somebody cannot take now is dropped for that one; of a reliable one the sender is
        told who did not get it.
        """
        self.counts["received"] += 1
        state = self._senders.setdefault(sender.row, _Sender(self._config, now))
        try:
            parsed = self._admit(room_id, sender, state, message, now)
            self._deliver(transports, sender, parsed, lossy)
        except MediaError as error:
            self.counts[f"refused_{error.code}"] += 1
            if now - state.told.get(error.code, -REFUSAL_INTERVAL) >= REFUSAL_INTERVAL:
                state.told[error.code] = now
                self._emit(DataRefused(room_id, sender.participant_id, error.code, str(error)))

    def _admit(
        self, room_id: str, sender: Transport, state: _Sender, message: Message, now: float
    ) -> Envelope:
        size, limit = envelope.size_of(message), self._config.max_data_message
        if not state.messages.take(1.0, now):
            raise MediaError(
                "rate_limited",
                f"more than {self._config.data_messages} data messages per second; this one was dropped",
            )
        if size > limit:
            raise MediaError(
                "message_too_large", f"a data message has {size} bytes, expected at most {limit}"
            )
        if not state.bytes.take(size, now):
            raise MediaError(
                "rate_limited",
                f"more than {self._config.data_bytes} bytes of data per second; this message was dropped",
            )
        if not self.may_send(room_id, sender.participant_id):
            raise MediaError("data_not_permitted", "you may not send data messages in this room")
        try:
            return envelope.parse(message)
        except ValueError as error:
            raise MediaError("data_malformed", str(error)) from None

    def _deliver(
        self, transports: Mapping[str, Transport], sender: Transport, parsed: Envelope, lossy: bool
    ) -> None:
        names = transports if parsed.to is None else parsed.to
        message = envelope.stamped(parsed, sender.participant_id)
        absent: list[str] = []
        full: list[str] = []
        for name in names:
            recipient = transports.get(name)
            if recipient is sender and parsed.to is None:
                continue
            outcome = (
                SendOutcome.NO_CHANNEL
                if recipient is None or recipient is sender
                else self._side.send_data(recipient, message, lossy)
            )
            if outcome is SendOutcome.SENT:
                self.counts["sent"] += 1
            elif outcome is SendOutcome.FULL:
                self.counts["dropped_full"] += 1
                full.append(name)
            elif parsed.to is not None:
                absent.append(name)
        if absent:
            raise MediaError(
                "unknown_recipient",
                f"no data channel leads to {', '.join(absent)}; the others of this message have it",
            )
        if full and not lossy:
            raise MediaError(
                "data_undelivered",
                f"too much waits for {', '.join(full)}, who did not get this message; send less",
            )
