"""NACKs are taken out of compound packets, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.plane.feedback import Nack, take_nacks
from sfu.wire import rtcp

REPORT = rtcp.ReceiverReport(5)
PLI = rtcp.PictureLossIndication(5, 1)

# (packets, NACKs taken, packets left)
COMPOUNDS = [
    ([REPORT, PLI], [], [REPORT, PLI]),
    ([rtcp.GenericNack(5, 1, (7,))], [Nack(1, (7,))], []),
    ([rtcp.GenericNack(5, 1, (65535, 0, 15, 16))], [Nack(1, (65535, 0, 15, 16))], []),
    ([REPORT, rtcp.GenericNack(5, 1, (7,)), PLI], [Nack(1, (7,))], [REPORT, PLI]),
    ([rtcp.GenericNack(5, 2, (7,))], [], [rtcp.GenericNack(5, 2, (7,))]),
    (
        [rtcp.GenericNack(5, 1, (7,)), rtcp.GenericNack(5, 3, (8, 40))],
        [Nack(1, (7,)), Nack(3, (8, 40))],
        [],
    ),
    ([rtcp.Unknown(205, 14, bytes(16))], [], [rtcp.Unknown(205, 14, bytes(16))]),
    ([rtcp.GenericNack(5, 1, ())], [], [rtcp.GenericNack(5, 1, ())]),
]


@pytest.mark.parametrize(("packets", "taken", "left"), COMPOUNDS)
def test_compounds(packets: list[rtcp.Packet], taken: list[Nack], left: list[rtcp.Packet]) -> None:
    nacks, rest = take_nacks(rtcp.serialize(packets), lambda ssrc: ssrc in (1, 3))
    assert nacks == taken
    assert (rtcp.parse(rest) if rest else []) == left


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    nacks, rest = take_nacks(data, lambda ssrc: True)
    if nacks:
        # Taken from what parses only, and the rest parses too.
        rtcp.parse(data)
        assert not rest or rtcp.parse(rest)
    else:
        assert rest == data
