import pytest

from sfu.plane.interface import SourceState
from sfu.streams.receiver_report import ReceiverReports


def state(first, highest, packets, jitter=0.0):
    return SourceState(
        packets=packets, first_sequence_number=first, highest_sequence_number=highest, jitter=jitter
    )


@pytest.mark.parametrize(
    ("states", "fraction", "lost", "highest"),
    [
        ([state(10, 19, 10)], 0, 0, 19),
        ([state(10, 19, 5)], 128, 5, 19),
        # Only the last interval counts for the fraction, all of it for the sum.
        ([state(10, 19, 5), state(10, 29, 15)], 0, 5, 29),
        ([state(10, 19, 10), state(10, 29, 15)], 128, 5, 29),
        # The extended number goes on over the wrap, and the block has 32 bits of it.
        ([state(65530, 65541, 12)], 0, 0, 65541),
        # A duplicate or late packet makes the loss negative (RFC 3550 appendix A.3), never the fraction.
        ([state(10, 19, 12)], 0, -2, 19),
        # Nothing came since.
        ([state(10, 19, 10), state(10, 19, 10)], 0, 0, 19),
    ],
)
def test_report_blocks(states, fraction, lost, highest):
    reports = ReceiverReports()
    for each in states:
        report = reports.next(each, now=1.0)
    told = (report.fraction_lost, report.packets_lost, report.highest_sequence_number)
    assert told == (fraction, lost, highest)


def test_it_echoes_the_last_sender_report():
    reports = ReceiverReports()
    assert reports.next(state(1, 1, 1), now=1.0).delay_since_last_sr == 0
    reports.sender_report(0xAABBCCDD, now=2.0)
    report = reports.next(state(1, 1, 1, jitter=41.6), now=2.5)
    assert (report.last_sr, report.delay_since_last_sr, report.jitter) == (0xAABBCCDD, 32768, 42)
