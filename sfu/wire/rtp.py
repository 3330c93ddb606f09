"""RTP packets as offsets into bytes (RFC 3550 section 5.1) and their header extensions (RFC 8285).

Nothing here turns a packet into an object. A malformed packet raises ValueError with a sentence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

FIXED_HEADER = struct.Struct("!BBHII")
"""First byte (version, padding, extension, CSRC count), marker and payload type, sequence number,
timestamp, SSRC."""

MINIMUM_SIZE = FIXED_HEADER.size

PADDING_BIT = 0x20
EXTENSION_BIT = 0x10
MARKER_BIT = 0x80

_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000
# The low four bits of the two-byte profile are "appbits", which the receiver ignores (RFC 8285 section 4.3).
_TWO_BYTE_MASK = 0xFFF0
_ONE_BYTE_MAXIMUM_ID = 14
_ONE_BYTE_MAXIMUM_LENGTH = 16
_BLOCK_HEADER = struct.Struct("!HH")

Element = tuple[int, bytes]
"""A header extension element: its id and its data."""


def ssrc(packet: bytes) -> int:
    """The SSRC of a packet of at least 12 bytes."""
    return int.from_bytes(packet[8:12], "big")


def payload_offset(packet: bytes) -> tuple[int, int]:
    """The offsets of the header extension block and of the payload; equal where there is no extension.

    Reads nothing that SRTP encrypts. Raises ValueError if the header is not RTP or reaches past the packet.
    """
    size = len(packet)
    if size < MINIMUM_SIZE:
        raise ValueError(f"RTP packet has {size} bytes, a header takes at least {MINIMUM_SIZE}")
    first = packet[0]
    if first >> 6 != 2:
        raise ValueError(f"RTP version is {first >> 6}, it should be 2")
    extension = payload = 12 + 4 * (first & 0x0F)
    if first & EXTENSION_BIT:
        if payload + 4 > size:
            raise ValueError(f"RTP header extension starts at byte {payload} of a packet of {size} bytes")
        payload += 4 + 4 * int.from_bytes(packet[payload + 2 : payload + 4], "big")
    if payload > size:
        raise ValueError(f"RTP header ends at byte {payload} of a packet of {size} bytes")
    return extension, payload


def payload_end(packet: bytes, payload: int) -> int:
    """The offset at which padding starts: the packet's length where there is none.

    `payload` is where the payload starts. Raises ValueError if padding is empty or longer than the payload.
    """
    size = len(packet)
    if not packet[0] & PADDING_BIT:
        return size
    padding = packet[-1] if size > payload else 0
    if not 1 <= padding <= size - payload:
        raise ValueError(f"RTP padding of {padding} bytes in a payload of {size - payload} bytes")
    return size - padding


def extension_elements(packet: bytes) -> list[Element]:
    """The header extension elements in their order. A block of an unknown profile has none.

    Raises ValueError if the header is malformed or an element reaches past its block.
    """
    start, end = payload_offset(packet)
    return read_elements(packet, start, end)


def read_elements(packet: bytes, start: int, end: int) -> list[Element]:
    """The elements of the extension block at `start` to `end`, both from `payload_offset`."""
    if start == end:
        return []
    profile = int.from_bytes(packet[start : start + 2], "big")
    if profile == _ONE_BYTE_PROFILE:
        return _read_one_byte(packet, start + 4, end)
    if profile & _TWO_BYTE_MASK == _TWO_BYTE_PROFILE:
        return _read_two_byte(packet, start + 4, end)
    return []


def _read_one_byte(packet: bytes, position: int, end: int) -> list[Element]:
    elements: list[Element] = []
    while position < end:
        head = packet[position]
        position += 1
        if not head:
            continue
        identifier = head >> 4
        # Id 15, and id 0 with a length, end the block (RFC 8285 section 4.2).
        if identifier in (0, 15):
            break
        stop = position + (head & 0x0F) + 1
        if stop > end:
            raise ValueError(f"RTP header extension {identifier} reaches {stop - end} bytes past its block")
        elements.append((identifier, packet[position:stop]))
        position = stop
    return elements


def _read_two_byte(packet: bytes, position: int, end: int) -> list[Element]:
    elements: list[Element] = []
    while position < end:
        identifier = packet[position]
        position += 1
        if not identifier:
            continue
        if position == end:
            raise ValueError(f"RTP header extension {identifier} has no length byte")
        stop = position + 1 + packet[position]
        if stop > end:
            raise ValueError(f"RTP header extension {identifier} reaches {stop - end} bytes past its block")
        elements.append((identifier, packet[position + 1 : stop]))
        position = stop
    return elements


def find_extension(packet: bytes, identifier: int) -> bytes | None:
    """The data of the first element with this id, None where there is none.

    Raises ValueError if the packet's header or extension block is malformed.
    """
    for found, data in extension_elements(packet):
        if found == identifier:
            return data
    return None


def remap_elements(
    elements: Iterable[Element], ids: Mapping[int, int], own: Sequence[Element]
) -> list[Element]:
    """Elements under the ids that `ids` gives them, without those it does not name, followed by `own`, which
    replace those of their ids: what belongs to one transport alone, such as mid (RFC 9143)."""
    mapped = [(ids[found], data) for found, data in elements if found in ids]
    if own:
        taken = [identifier for identifier, _ in own]
        mapped = [element for element in mapped if element[0] not in taken]
        mapped += own
    return mapped


def build_extension_block(elements: Iterable[Element]) -> bytes:
    """A header extension block: the one-byte form, or the two-byte form if an element needs it.

    Empty where there are no elements. Raises ValueError unless ids are 1 to 255 and data has up to 255 bytes.
    """
    elements = list(elements)
    if not elements:
        return b""
    parts = [b""]
    profile = _ONE_BYTE_PROFILE
    for identifier, data in elements:
        if identifier > _ONE_BYTE_MAXIMUM_ID or not 1 <= len(data) <= _ONE_BYTE_MAXIMUM_LENGTH:
            profile = _TWO_BYTE_PROFILE
            break
    size = 0
    for identifier, data in elements:
        length = len(data)
        if profile == _ONE_BYTE_PROFILE and identifier:
            head = bytes((identifier << 4 | length - 1,))
        elif 1 <= identifier <= 255 and length <= 255:
            head = bytes((identifier, length))
        else:
            raise ValueError(
                f"RTP header extension {identifier} of {length} bytes: ids are 1 to 255, sizes up to 255"
            )
        parts += (head, data)
        size += len(head) + length
    words = (size + 3) // 4
    parts[0] = _BLOCK_HEADER.pack(profile, words)
    parts.append(bytes(4 * words - size))
    return b"".join(parts)
