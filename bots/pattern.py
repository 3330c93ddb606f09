"""A test picture that says when it was made: moving bars, and the time as black and white blocks. No IO.

The top of the picture is two rows of blocks, one bit each, the highest first: 32 bits of milliseconds and 8
of a check sum. A receiver reads them back and knows how old the picture is; from 320 pixels of width on they
are legible through a codec.
"""

from __future__ import annotations

from av import VideoFrame

TIME_BITS = 32
CHECK_BITS = 8
BLOCKS = TIME_BITS + CHECK_BITS

COLUMNS = 20
"""Blocks in a row: at 320 pixels a block is a macroblock, and smaller ones suffer from the codec."""

_ROWS = BLOCKS // COLUMNS

_BLACK, _WHITE = 16, 235
"""Luma of the blocks: the ends of the video range (ITU-R BT.601)."""

_THRESHOLD = (_BLACK + _WHITE) // 2
_CHECK_SEED = 0xA5
_MASK = (1 << TIME_BITS) - 1
_MINIMUM_WIDTH = 8 * COLUMNS
_BARS = 8
_SECONDS_PER_ROUND = 4.0


def _check(time_ms: int) -> int:
    return _CHECK_SEED ^ time_ms & 0xFF ^ time_ms >> 8 & 0xFF ^ time_ms >> 16 & 0xFF ^ time_ms >> 24 & 0xFF


def _size(width: int) -> int:
    """The side of a block in pixels, rounded down."""
    return width // COLUMNS


class Picture:
    """Draws one size of picture; drawing one frame is a few copies."""

    def __init__(self, width: int, height: int) -> None:
        """Raises ValueError when the size is odd, or too small for the blocks."""
        if width < _MINIMUM_WIDTH or height < _MINIMUM_WIDTH // 4 or width % 2 or height % 2:
            raise ValueError(f"the size must be even and {_MINIMUM_WIDTH}x{_MINIMUM_WIDTH // 4} or more")
        self.width = width
        self.height = height
        bar = max(2, width // _BARS)
        shades = [_BLACK + (_WHITE - _BLACK) * i // (_BARS - 1) for i in range(_BARS)]
        row = b"".join(bytes([shade]) * bar for shade in shades)[:width].ljust(width, bytes([_WHITE]))
        self._bars = row + row
        self._colours = (bytes([110]), bytes([145]))

    def draw(self, time_ms: int) -> VideoFrame:
        """The picture of a moment, in milliseconds since 1970; it says them modulo 2^32."""
        bands = self._bands(time_ms)
        offset = int(time_ms / 1000 % _SECONDS_PER_ROUND / _SECONDS_PER_ROUND * self.width) & ~1
        row = self._bars[offset : offset + self.width]
        block = _size(self.width)
        frame = VideoFrame(self.width, self.height, "yuv420p")
        luma, *chroma = frame.planes
        pad = bytes(luma.line_size - self.width)
        top = b"".join((band + pad) * block for band in bands)
        luma.update(top + (row + pad) * (self.height - block * len(bands)))
        for plane, value in zip(chroma, self._colours, strict=True):
            plane.update(value * plane.buffer_size)
        return frame

    def _bands(self, time_ms: int) -> list[bytes]:
        time_ms &= _MASK
        bits = time_ms << CHECK_BITS | _check(time_ms)
        size = _size(self.width)
        blocks = [bytes([_WHITE if bits >> i & 1 else _BLACK]) * size for i in reversed(range(BLOCKS))]
        rows = (b"".join(blocks[i * COLUMNS : (i + 1) * COLUMNS]) for i in range(_ROWS))
        return [row.ljust(self.width, bytes([_BLACK])) for row in rows]


def read_time(frame: VideoFrame) -> int | None:
    """The milliseconds (modulo 2^32) in a picture; None where there are none, or they are not legible.

    The picture may have been scaled; it must still be `yuv420p` or `nv12`, as decoders give it.
    """
    block = _size(frame.width)
    if block < 2 or frame.height < _ROWS * block:
        return None
    plane = frame.planes[0]
    luma = memoryview(plane)
    # The middle of each block: codecs blur the edges.
    margin, inner = block // 4, max(1, block // 2)
    bits = 0
    for i in range(BLOCKS):
        row, column = divmod(i, COLUMNS)
        lines = range(row * block + margin, row * block + margin + inner)
        left = column * block + margin
        total = sum(sum(luma[y * plane.line_size + left : y * plane.line_size + left + inner]) for y in lines)
        bits = bits << 1 | (total > _THRESHOLD * inner * inner)
    time_ms = bits >> CHECK_BITS
    return time_ms if bits & 0xFF == _check(time_ms) else None


def age_ms(frame: VideoFrame, now_ms: int) -> int | None:
    """How old the picture is at `now_ms` (milliseconds since 1970); None where it does not say."""
    time_ms = read_time(frame)
    if time_ms is None:
        return None
    age = (now_ms - time_ms) & _MASK
    return age - (1 << TIME_BITS) if age >> (TIME_BITS - 1) else age
