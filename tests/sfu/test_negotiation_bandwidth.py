"""How bandwidth is estimated on a line: by feedback about each packet, or by a REMB made of send times."""

from __future__ import annotations

import pytest

from sfu.negotiation import ABS_SEND_TIME, TRANSPORT_WIDE, read_offer, received_extension, sent_extension
from sfu.parameters import HeaderExtension, MediaLine
from tests.sfu.offers import CONFIG, OFFERS, answer, changed, names, read

WIDE = f"a=extmap:5 {TRANSPORT_WIDE}\n"
TIME = f"a=extmap:6 {ABS_SEND_TIME}\n"
CC = "a=rtcp-fb:96 transport-cc\n"
REMB = "a=rtcp-fb:96 goog-remb\n"


def line(text: str) -> MediaLine:
    return read_offer(changed() + text, config=CONFIG).media[1]


@pytest.mark.parametrize(
    ("text", "extensions", "feedback"),
    [
        (WIDE + TIME + CC + REMB, [TRANSPORT_WIDE], ("goog-remb", "transport-cc")),
        (TIME + WIDE + CC, [TRANSPORT_WIDE], ("transport-cc",)),
        (TIME + REMB, [ABS_SEND_TIME], ("goog-remb",)),
        # Numbers that nobody tells of, and telling of numbers that nobody gives, are no use.
        (WIDE + TIME + REMB, [ABS_SEND_TIME], ("goog-remb",)),
        (TIME + CC + REMB, [ABS_SEND_TIME], ("goog-remb",)),
        (WIDE + TIME, [], ()),
        (CC, [], ()),
        (WIDE.replace(":5", ":5/inactive") + TIME + CC + REMB, [ABS_SEND_TIME], ("goog-remb",)),
    ],
)
def test_what_is_accepted(text: str, extensions: list[str], feedback: tuple[str, ...]) -> None:
    accepted = line(text)
    uris = {extension.uri for extension in accepted.extensions}
    assert [uri for uri in (TRANSPORT_WIDE, ABS_SEND_TIME) if uri in uris] == extensions
    assert accepted.codecs[0].feedback == feedback


@pytest.mark.parametrize("name", OFFERS)
def test_browsers_speak_transport_cc_and_aiortc_remb(name: str) -> None:
    remote = read(name)
    for ours in answer(remote).media:
        if not ours.port or ours.media != "video":
            continue
        attributes = names(ours)
        numbered = any(TRANSPORT_WIDE in text for text in attributes)
        assert numbered is not name.startswith("aiortc")
        assert any(ABS_SEND_TIME in text for text in attributes) is not numbered
        assert any(text.endswith(" transport-cc") for text in attributes) is numbered
        assert any(text.endswith(" goog-remb") for text in attributes)


def test_directions_of_an_extension() -> None:
    for direction, sent, received in (("sendrecv", 5, 5), ("sendonly", 5, 0), ("recvonly", 0, 5)):
        extensions = [HeaderExtension(TRANSPORT_WIDE, 5, direction)]  # type: ignore[arg-type]
        assert sent_extension(extensions, TRANSPORT_WIDE) == sent
        assert received_extension(extensions, TRANSPORT_WIDE) == received
        assert sent_extension(extensions, ABS_SEND_TIME) == 0
