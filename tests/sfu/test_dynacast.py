"""Encodings rest some time after nobody wants them, and go on at once when somebody does."""

import pytest

from sfu.dynacast import HOLD, Dynacast

ALL = {"q": True, "h": True, "f": True}

# Steps of (seconds, place of the highest that is wanted, what the publisher is told).
TABLES: dict[str, list[tuple[float, int | None, dict[str, bool] | None]]] = {
    "all wanted": [(0, 2, None), (100, 2, None)],
    "rests after a while": [
        (0, 0, None),
        (HOLD - 0.1, 0, None),
        (HOLD, 0, {"q": True, "h": False, "f": False}),
    ],
    "nobody": [(0, None, None), (HOLD, None, {"q": False, "h": False, "f": False}), (HOLD * 9, None, None)],
    "a short look away": [(0, 0, None), (HOLD - 1, 2, None), (HOLD + 1, 0, None), (2 * HOLD, 0, None)],
    "back at once": [(0, None, None), (HOLD, None, dict.fromkeys(ALL, False)), (HOLD + 1, 2, ALL)],
    "back in part": [
        (0, None, None),
        (HOLD, None, dict.fromkeys(ALL, False)),
        (HOLD + 1, 0, {"q": True, "h": False, "f": False}),
        (HOLD + 2, 1, {"q": True, "h": True, "f": False}),
    ],
    # A lower one that nobody has goes on: who finds the link too narrow falls back to it.
    "only the highest is had": [(0, 2, None), (HOLD * 3, 2, None)],
}


@pytest.mark.parametrize("steps", TABLES.values(), ids=TABLES)
def test_table(steps: list[tuple[float, int | None, dict[str, bool] | None]]) -> None:
    dynacast = Dynacast(("q", "h", "f"))
    assert dynacast.active == ALL
    for now, highest, told in steps:
        changed = dynacast.update(highest, 1000 + now)
        assert (dynacast.active if changed else None) == told
