"""Data messages through the media server: docs/protocol.md, "Data"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass

from aiortc import RTCDataChannel, RTCPeerConnection

MAX_MESSAGE_BYTES = 65_536
"""Of a message with its header line: more the server does not take."""

MAX_BUFFERED = 1_048_576
MAX_BUFFERED_LOSSY = 65_536
"""Bytes that may wait to be sent. Lossy messages are of the moment: few, so that none is old."""


@dataclass(frozen=True, slots=True)
class DataMessage:
    """What a participant sent by a data channel."""

    sender: str
    """The sender's client id, as the server says it."""
    topic: str
    """What the sender calls it; empty where it said nothing."""
    payload: str | bytes


def seal(payload: str | bytes, to: Collection[str] | None, topic: str) -> str | bytes:
    """Return what goes onto the channel. Raises ValueError where it is more than MAX_MESSAGE_BYTES."""
    fields = {**({"to": list(to)} if to is not None else {}), **({"topic": topic} if topic else {})}
    header = (json.dumps(fields) if fields else "") + "\n"
    sealed = header + payload if isinstance(payload, str) else header.encode() + payload
    size = len(sealed.encode()) if isinstance(sealed, str) else len(sealed)
    if size > MAX_MESSAGE_BYTES:
        raise ValueError(f"a data message has {size} bytes, expected at most {MAX_MESSAGE_BYTES}")
    return sealed


def unseal(message: str | bytes) -> DataMessage:
    """Read what the server sent. Raises ValueError where it is not as the protocol says."""
    line: str | bytes
    payload: str | bytes
    if isinstance(message, str):
        line, newline, payload = message.partition("\n")
        found = bool(newline)
    else:
        line, separator, payload = message.partition(b"\n")
        found = bool(separator)
    try:
        fields = json.loads(line) if found else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("a data message of the server begins with no JSON object on a line of its own")
    sender, topic = fields.get("from"), fields.get("topic", "")
    if not isinstance(sender, str) or not isinstance(topic, str):
        raise ValueError("a data message of the server does not say whose it is")
    return DataMessage(sender, topic, payload)


class DataChannels:
    """The two channels of a connection to the media server, a reliable and a lossy one."""

    def __init__(self, peer: RTCPeerConnection, on_message: Callable[[DataMessage], None]) -> None:
        """`peer` has made no offer yet."""
        self.malformed = 0
        """Messages that were not as the protocol says."""
        self._on_message = on_message
        self._opened = asyncio.Event()
        self._reliable = self._watch(peer.createDataChannel("reliable"))
        self._lossy = self._watch(peer.createDataChannel("lossy", ordered=False, maxRetransmits=0))

    @property
    def is_open(self) -> bool:
        return self._reliable.readyState == "open" and self._lossy.readyState == "open"

    async def wait_open(self) -> None:
        """Wait until both can be sent on; they are not where the connection ends first."""
        while not self.is_open:
            self._opened.clear()
            await self._opened.wait()

    def send(self, message: str | bytes, *, lossy: bool) -> bool:
        """Queue a message made by seal(); False where too much waits already, or the channel is not open."""
        channel = self._lossy if lossy else self._reliable
        size = len(message.encode()) if isinstance(message, str) else len(message)
        limit = MAX_BUFFERED_LOSSY if lossy else MAX_BUFFERED
        if channel.readyState != "open" or (channel.bufferedAmount and channel.bufferedAmount + size > limit):
            return False
        channel.send(message)
        return True

    def _watch(self, channel: RTCDataChannel) -> RTCDataChannel:
        channel.on("open", self._opened.set)
        channel.on("message", self._received)
        return channel

    def _received(self, message: str | bytes) -> None:
        try:
            unsealed = unseal(message)
        except ValueError:
            self.malformed += 1
            return
        self._on_message(unsealed)
