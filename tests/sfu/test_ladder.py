"""Which layer of a track is right for whom: tables."""

import pytest

from sfu.ladder import Layer, preferred, shape
from sfu.wish import Wish

Q, H, F = ("q", 320, 180), ("h", 640, 360), ("f", 1280, 720)
SIMULCAST = tuple(
    Layer(rid, 0, temporal, width, height, 100_000 * (temporal + 1), active=True)
    for rid, width, height in (Q, H, F)
    for temporal in range(3)
)
UNKNOWN = tuple(Layer(rid, 0, 0, None, None, 0, active=False) for rid in "qhf")
SVC = tuple(
    Layer("", spatial, temporal, 320 << spatial, 180 << spatial, 1, active=True)
    for spatial in range(3)
    for temporal in range(2)
)


@pytest.mark.parametrize(
    ("layers", "wish", "expected"),
    [
        (SIMULCAST, Wish(), ("f", 0, 2)),
        (SIMULCAST, Wish(1280, 720), ("f", 0, 2)),
        (SIMULCAST, Wish(1920, 1080), ("f", 0, 2)),
        (SIMULCAST, Wish(900, 500), ("f", 0, 2)),
        (SIMULCAST, Wish(640, 360), ("h", 0, 2)),
        # A picture may be stretched a little.
        (SIMULCAST, Wish(800, 450), ("h", 0, 2)),
        (SIMULCAST, Wish(200, 112), ("q", 0, 2)),
        (SIMULCAST, Wish(1, 1), ("q", 0, 2)),
        # A tile that stands upright shows a part of the picture.
        (SIMULCAST, Wish(360, 640), ("h", 0, 2)),
        (SIMULCAST, Wish(640, 360, max_temporal=1), ("h", 0, 1)),
        (SIMULCAST, Wish(640, 360, max_temporal=0), ("h", 0, 0)),
        # Without sizes the largest.
        (UNKNOWN, Wish(100, 100), ("f", 0, 0)),
        (SVC, Wish(640, 360), ("", 1, 1)),
        (SVC, Wish(), ("", 2, 1)),
        ((), Wish(640, 360), None),
    ],
)
def test_preferred(layers: tuple[Layer, ...], wish: Wish, expected: tuple[str, int, int] | None) -> None:
    layer = preferred(layers, wish)
    assert (layer and (layer.rid, layer.spatial, layer.temporal)) == expected


def test_the_shape_is_what_a_choice_depends_on() -> None:
    other = tuple(Layer(x.rid, x.spatial, x.temporal, x.width, x.height, 7, x.active) for x in SIMULCAST)
    assert shape(other) == shape(SIMULCAST)
    assert shape(SVC) != shape(SIMULCAST)
