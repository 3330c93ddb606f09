"""Packets as clients and attackers make them, from dice that a test throws."""

import random
import struct

from sfu.wire.rtp import build_extension_block
from sfu.wire.twcc import TransportFeedback

# First bytes of payloads, by codec: keyframes, what follows them, and what looks like either (see sfu.wire).
CODECS: dict[str, list[bytes]] = {
    "VP8": [
        b"\x10\x00",
        b"\x10\x01",
        b"\x00\x00",
        b"\x11\x00",
        b"\x90\x80\x01\x00",
        b"\x90\x80\x81\x01\x00",
        b"\x90\xf0\x81\x01\x22\x33\x00",
        b"\x90\x60\x01\x02\x00",
        b"\x90\x80",
        b"\x90\xe0\x81\x01\x22\x20\x00",
        b"\x90\x80\x81",
        b"\x90\xf0\x81\x01",
        b"\x90",
        b"\x10",
    ],
    "VP9": [
        b"\x08\x00",
        b"\x28\x00",
        b"\x28\x02",
        b"\xa8\x01\x00",
        b"\xa8\x81\x01\x00",
        b"\xa8\x81\x01\x04",
        b"\xa8\x01\x08",
        b"\xea\x81\x01\x30\x00\x00",
        b"\xb8\x81\x01\x02\x00\x00",
        b"\xa8\x81",
        b"\x48\x00",
        b"\x0c\x00",
        b"\x80\x00",
        b"\x08",
    ],
    "H264": [
        b"\x67\x42",
        b"\x65\x88",
        b"\x41\x9a",
        b"\x78\x00\x02\x67\x42\x00\x01\x68",
        b"\x78\x00\x02\x41\x42\x00\x01\x67",
        b"\x78\x00\x00\x67",
        b"\x78\x00\x09\x67",
        b"\x78\x00\x01",
        b"\x78\x00\x01\x67",
        b"\x7c\x85",
        b"\x18",
    ],
    "AV1": [b"\x08\x0a", b"\x18\x0a", b"\x88\x0a", b"\x00\x0a", b"\x08"],
    "opus": [b"\xfc\xff\xfe"],
}
_SIZES = [0, 0, 1, 2, 8, 30, 200, 1000, 1150, 1300, 1340, 1400]


def _vp8(dice: random.Random, picture: int) -> bytes:
    """A descriptor as an encoder with temporal layers writes it, and the first byte of a frame."""
    temporal = dice.choice([0, 0, 0, 1, 2, 3])
    fields = dice.choice([0xE0, 0xE0, 0xF0, 0xA0, 0xC0])
    long = dice.random() < 0.8
    number = struct.pack("!H", 0x8000 | picture & 0x7FFF) if long else bytes((picture & 0x7F,))
    tl0 = bytes((picture >> 2 & 0xFF,)) if fields & 0x40 else b""
    layer = bytes((temporal << 6 | dice.choice([0, 0x20]),)) if fields & 0x30 else b""
    key = dice.random() < 0.1
    return bytes((dice.choice([0x90, 0x90, 0x80]), fields)) + number + tl0 + layer + bytes((not key,))


def _vp9(dice: random.Random, picture: int) -> bytes:
    """A descriptor as an encoder with spatial and temporal layers writes it."""
    first = 0xA0 | dice.choice([0, 0x08, 0x0C, 0x04]) | dice.choice([0, 0x40, 0x40]) | dice.choice([0, 0x10])
    layer = (
        dice.choice([0, 0, 0x20, 0x40])
        | dice.choice([0, 0x10])
        | dice.choice([0, 2, 4])
        | dice.choice([0, 1])
    )
    tail = b"" if first & 0x10 else bytes((picture >> 2 & 0xFF,))
    return bytes((first,)) + struct.pack("!HB", 0x8000 | picture & 0x7FFF, layer) + tail + b"\x00"


# A template structure of two spatial and two temporal layers with four decode targets, by the layout of
# appendix A.8 of the AV1 payload format; what describes frames comes after it.
_TEMPLATES = "0000000001101100111"
_INDICATIONS = "10101010000100010000101100000001"
_DIFFERENCES = "10011010001010000010001100000"
_CHAINS = "000"
STRUCTURE = _TEMPLATES + _INDICATIONS + _DIFFERENCES + _CHAINS


def dependency_descriptor(dice: random.Random, frame: int) -> bytes:
    """One as an encoder with layers writes it, and now and then one that is none."""
    bits = f"{dice.randrange(4):02b}{dice.choice([0, 1, 2, 3, 3, 9]):06b}{frame & 0xFFFF:016b}"
    choice = dice.random()
    if choice < 0.2:
        bits += dice.choice(["10", "10", "11"]) + "000" + STRUCTURE + "0"
        bits += "0111" if bits[25] == "1" else ""
    elif choice < 0.3:
        bits += "01000" + f"{dice.randrange(16):04b}"
    elif choice < 0.4:
        bits += "00100" + "".join(dice.choice(["00", "01", "10", "11"]) for _ in range(4))
    elif choice < 0.5:
        bits += "00010" + "01" + f"{dice.randrange(16):04b}" + "10" + f"{dice.randrange(256):08b}" + "00"
    elif choice < 0.55:
        bits += "".join(dice.choice("01") for _ in range(dice.randrange(60)))
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data[: dice.randrange(len(data) + 1)] if dice.random() < 0.03 else data


def _one_byte(dice: random.Random) -> bytes:
    block = b""
    for _ in range(dice.randrange(6)):
        choice = dice.random()
        if choice < 0.1:
            block += b"\0"
        else:
            size = dice.choice([1, 1, 2, 3, 16])
            # 15 and 0 end the block.
            identifier = dice.choice([1, 2, 3, 4, 14] if choice < 0.9 else [15, 15, 0])
            block += bytes((identifier << 4 | size - 1,)) + dice.randbytes(size)
    return block


def _two_byte(dice: random.Random) -> bytes:
    block = b""
    for _ in range(dice.randrange(5)):
        if dice.random() < 0.1:
            block += b"\0"
        else:
            size = dice.choice([0, 1, 2, 16, 17, 40, 255])
            block += bytes((dice.choice([1, 2, 3, 14, 15, 16, 255]), size)) + dice.randbytes(size)
    return block


DESCRIPTOR_ID = 2
MARKING_ID = 3


def layers_block(dice: random.Random, number: int) -> bytes:
    """A header extension with a dependency descriptor and, at times, frame marking."""
    elements = [(DESCRIPTOR_ID, dependency_descriptor(dice, number))]
    if dice.random() < 0.3:
        elements.append((MARKING_ID, dice.randbytes(dice.choice([1, 2, 3, 3, 4]))))
    dice.shuffle(elements)
    return build_extension_block(elements)


def extension_block(dice: random.Random) -> bytes:
    """A header extension (RFC 8285), seldom one that is none."""
    choice = dice.random()
    if choice < 0.45:
        profile, data = 0xBEDE, _one_byte(dice)
    elif choice < 0.8:
        profile, data = 0x1000 | dice.choice([0, 0, 7, 15]), _two_byte(dice)
    elif choice < 0.9:
        profile, data = dice.choice([0x1010, 0xBEDF, 0, 0xABCD]), dice.randbytes(8)
    else:
        profile, data = dice.choice([0xBEDE, 0x1000]), dice.randbytes(dice.randrange(12))
    data += bytes(-len(data) % 4)
    return struct.pack("!HH", profile, len(data) // 4) + data


_LAYERED = {"VP8": _vp8, "VP9": _vp9}


def random_packet(
    dice: random.Random, ssrc: int, sequence: int, timestamp: int, payload_type: int, codec: str | None
) -> bytes:
    """An RTP packet, valid but for some of its extension blocks and paddings."""
    contributors = dice.choice([0, 0, 0, 0, 1, 2, 15])
    extension = extension_block(dice) if dice.random() < 0.5 else b""
    if not extension and dice.random() < 0.6:
        extension = layers_block(dice, sequence >> 1)
    heads = CODECS.get(codec or "", [b""])
    payload = dice.choice(heads) if dice.random() < 0.85 else dice.randbytes(dice.randrange(12))
    if codec in _LAYERED and dice.random() < 0.6:
        payload = _LAYERED[codec](dice, sequence >> 1)
    payload += bytes(dice.choice(_SIZES))
    padding = dice.choice([0, 0, 0, 0, 0, 1, 2, 4, 200])
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    first = 0x80 | contributors | (0x10 if extension else 0) | (0x20 if padding else 0)
    if dice.random() < 0.02:
        tail, first = b"", first | 0x20
    header = struct.pack("!BBHII", first, dice.choice([0, 128]) | payload_type, sequence, timestamp, ssrc)
    # The largest that can be protected, and now and then one that cannot.
    return (header + dice.randbytes(4 * contributors) + extension + payload + tail)[
        : 1356 + dice.choice([0] * 9 + [1])
    ]


def random_rtcp(dice: random.Random) -> bytes:
    """A compound RTCP packet by its header; the plane looks no further."""
    words = dice.choice([1, 1, 6, 7, 12, 200, 337, 338])
    ssrc = dice.choice([1, 2, 3, 0xFFFFFFFF, dice.randrange(400)])
    return struct.pack(
        "!BBHI", 0x80, dice.choice([200, 201, 205, 206, 192, 223]), words, ssrc
    ) + dice.randbytes(4 * words - 4)


def corrupt(data: bytes, dice: random.Random) -> bytes:
    """The datagram with a part cut off, added or changed."""
    changed = bytearray(data)
    choice = dice.randrange(5)
    if choice == 0:
        del changed[dice.randrange(len(changed) + 1) :]
    elif choice == 1:
        changed += dice.randbytes(dice.randrange(1, 20))
    elif choice == 2 and changed:
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    elif choice == 3 and changed:
        changed[dice.randrange(min(len(changed), 24))] = dice.randrange(256)
    else:
        changed = changed[dice.randrange(len(changed) + 1) :]
    return bytes(changed)


def random_feedback(dice: random.Random) -> bytes:
    """Transport-wide feedback about the first numbers that a transport gives, mostly sound."""
    count = dice.choice([1, 2, 7, 14, 30, 200])
    arrivals: list[int | None] = []
    at = 0
    for _ in range(count):
        if dice.random() < 0.2:
            arrivals.append(None)
        else:
            at += dice.choice([0, 1, 4, 40, 120, 300, -2])
            arrivals.append(at)
    message = bytes(
        TransportFeedback(
            dice.randrange(400),
            1000,
            dice.choice([0, 1, 1, 5, 40, 100, 65535]),
            dice.choice([0, 100, 101, 102, 110, 2**23 - 1, -(2**23)]),
            dice.randrange(256),
            tuple(arrivals),
        )
    )
    choice = dice.random()
    if choice < 0.1:
        # One byte more, with the padding bit, as libwebrtc has it.
        message = bytes((message[0] | 0x20,)) + message[1:] + bytes((0, 0, 0, dice.choice([0, 1, 4, 200])))
        message = message[:2] + struct.pack("!H", len(message) // 4 - 1) + message[4:]
    elif choice < 0.2:
        place = dice.randrange(4, len(message))
        message = message[:place] + bytes((dice.randrange(256),)) + message[place + 1 :]
    return message
