from datetime import timedelta

import pytest

from chatter.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400),
        ("1440h", 5_184_000),
        ("1h30m", 5_400),
        ("90s", 90),
        ("1.5h", 5_400),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("1h0m0.5s", 3_600.5),
        ("2µs", 0.000002),
        ("0s", 0),
    ],
)
def test_reads_durations_as_go_writes_them(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "24", "h", "24 h", "1d", "-1h", "24h ", "1h30", "24H", "٣h", "9" * 30 + "h"]
)
def test_refuses_everything_else(text):
    with pytest.raises(ValueError, match=r"not a duration|too long"):
        parse_duration(text)
