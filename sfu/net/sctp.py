"""SCTP of one transport, by aiortc. With net/dtls.py the only file that uses private names of aiortc.

tests/sfu/net/test_data_association.py fails when one of them changes.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable

from aiortc import RTCDataChannel, RTCSctpCapabilities, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import Chunk, DataChunk

from sfu.data import SendOutcome
from sfu.parameters import DataLine
from sfu.wire.envelope import Message, size_of
from sfu.wire.sctp import check_packet

# What may wait for a client, in bytes. Lossy messages are of the moment: few, so that none is old.
MAX_BUFFERED_RELIABLE = 262_144
MAX_BUFFERED_LOSSY = 65_536

# Channels that a client may have open; one of each kind is what our own clients use.
MAX_CHANNELS = 16

# Bytes of incomplete messages that a client is told it may have with us (RFC 9260 section 6.2): four of the
# largest. Who sends more than that and one message has not listened.
RECEIVE_WINDOW = 4 * 65_536
WINDOW_SLACK = 65_536

# Chunks beyond a gap, and streams used. Each costs time and memory; a client within its window has fewer.
MAX_MISORDERED = 1024
MAX_STREAMS = 1024

log = logging.getLogger("sfu.sctp")


class _BoundedSctpTransport(RTCSctpTransport):
    """aiortc's SCTP, but what a client sends can neither end the DTLS transport nor grow without bound."""

    def __init__(self, transport: RTCDtlsTransport, on_malformed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._advertised_rwnd = RECEIVE_WINDOW
        self._on_malformed = on_malformed

    async def _handle_data(self, data: bytes) -> None:
        # aiortc asserts on packets out of turn, and trips over chunks that come before what they need. Above
        # us is the DTLS pump, which would end with it.
        try:
            check_packet(data)
            await super()._handle_data(data)
        except (ValueError, AssertionError, struct.error, LookupError, TypeError, AttributeError, NameError):
            self._on_malformed()
            log.debug("SCTP packet refused", exc_info=True)
        await self._hold_bounds()

    async def _hold_bounds(self) -> None:
        if self._association_state is not self.State.CLOSED and (
            self._advertised_rwnd < -WINDOW_SLACK
            or len(self._sack_misordered) > MAX_MISORDERED
            or len(self._inbound_streams) > MAX_STREAMS
        ):
            self._on_malformed()
            await self._abort()
            self._set_state(self.State.CLOSED)
            self._inbound_streams.clear()
            self._sack_misordered.clear()

    async def _receive_chunk(self, chunk: Chunk) -> None:
        # After an abort aiortc would go on as if the association stood.
        if not (self._association_state is self.State.CLOSED and isinstance(chunk, DataChunk)):
            await super()._receive_chunk(chunk)

    async def _send_chunk(self, chunk: Chunk) -> None:
        # A retransmission timer may fire when DTLS has ended.
        try:
            await super()._send_chunk(chunk)
        except ConnectionError:
            self._set_state(self.State.CLOSED)


class DataAssociation:
    """The data channels of one transport: the client opens them (RFC 8832), the server answers on the same.

    `on_message(message, lossy)` is called with each message; it is lossy where its channel is partially
    reliable. `on_malformed()` with each packet or channel that had to be refused.
    """

    def __init__(
        self,
        dtls: RTCDtlsTransport,
        line: DataLine,
        *,
        on_message: Callable[[Message, bool], None],
        on_malformed: Callable[[], None],
    ) -> None:
        """`dtls` has to be connected."""
        self.mid = line.mid
        self._on_message = on_message
        self._on_malformed = on_malformed
        self._max_message_size = line.max_message_size
        self._channels: list[RTCDataChannel] = []
        self._sctp = _BoundedSctpTransport(dtls, on_malformed)
        self._sctp.on("datachannel", self._opened)
        self._task = asyncio.create_task(
            self._sctp.start(RTCSctpCapabilities(maxMessageSize=line.max_message_size), line.sctp_port),
            name="sctp",
        )

    @property
    def channels(self) -> int:
        """How many are open."""
        return len(self._channels)

    def send(self, message: Message, lossy: bool) -> SendOutcome:
        """Queue a message on a channel of its kind, or on one of the other kind where there is none."""
        open_ones = [each for each in self._channels if each.readyState == "open"]
        channel = next((each for each in open_ones if _is_lossy(each) == lossy), None)
        channel = channel or next(iter(open_ones), None)
        if channel is None:
            return SendOutcome.NO_CHANNEL
        size = size_of(message)
        if self._max_message_size and size > self._max_message_size:
            return SendOutcome.FULL
        if channel.bufferedAmount + size > (MAX_BUFFERED_LOSSY if lossy else MAX_BUFFERED_RELIABLE):
            return SendOutcome.FULL
        channel.send(message)
        return SendOutcome.SENT

    async def stop(self) -> None:
        """Close the channels and end every task. Idempotent."""
        self._channels.clear()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._sctp.stop()
        self._sctp.remove_all_listeners()

    def _opened(self, channel: RTCDataChannel) -> None:
        if len(self._channels) >= MAX_CHANNELS:
            self._on_malformed()
            channel.close()
            return
        lossy = _is_lossy(channel)
        self._channels.append(channel)
        channel.on("message", lambda message: self._on_message(message, lossy))
        channel.on("close", lambda: self._closed(channel))

    def _closed(self, channel: RTCDataChannel) -> None:
        if channel in self._channels:
            self._channels.remove(channel)


def _is_lossy(channel: RTCDataChannel) -> bool:
    return channel.maxRetransmits is not None or channel.maxPacketLifeTime is not None
