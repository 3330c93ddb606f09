import pytest

from sfu.streams.clock import MAX_REPORTS, ClockReading, SentReports, middle_of_ntp

SECOND = 1 << 32


@pytest.mark.parametrize(
    ("reading", "now", "clock_rate", "ntp", "rtp"),
    [
        (ClockReading(ntp=100 * SECOND, rtp=1000, arrival=5.0), 5.0, 90000, 100 * SECOND, 1000),
        (ClockReading(ntp=100 * SECOND, rtp=1000, arrival=5.0), 6.0, 90000, 101 * SECOND, 91000),
        (
            ClockReading(ntp=100 * SECOND, rtp=1000, arrival=5.0),
            5.5,
            48000,
            100 * SECOND + SECOND // 2,
            25000,
        ),
        # Both wrap.
        (ClockReading(ntp=(1 << 64) - SECOND, rtp=(1 << 32) - 1, arrival=0.0), 1.0, 90000, 0, 89999),
        # Our clock never runs back, but a caller's `now` may be a batch old.
        (ClockReading(ntp=SECOND, rtp=7, arrival=5.0), 4.9, 90000, SECOND, 7),
    ],
)
def test_a_reading_advances_both_clocks_alike(reading, now, clock_rate, ntp, rtp):
    assert reading.at(now, clock_rate) == (ntp, rtp)


def test_round_trip_is_ours_minus_theirs():
    reports = SentReports()
    reports.sent(0x1111_2222_3333_4444, now=10.0)
    assert middle_of_ntp(0x1111_2222_3333_4444) == 0x2222_3333
    assert reports.round_trip(0x2222_3333, 65536 // 2, now=10.75) == pytest.approx(0.25)
    assert reports.round_trip(0x2222_3333, 65536 * 9, now=10.75) == 0.0
    assert reports.round_trip(0x2222_3334, 0, now=10.75) is None
    assert reports.round_trip(0, 0, now=10.75) is None


def test_sent_reports_are_bounded():
    reports = SentReports()
    for number in range(MAX_REPORTS + 1):
        reports.sent(number << 16, now=float(number))
    assert reports.round_trip(0, 0, now=99.0) is None
    assert reports.round_trip(1, 0, now=99.0) == pytest.approx(98.0)
