"""How well each participant's call goes, from 0 to 100, and the cause in words to that participant. Pure.

The score is 100 less the worst single trouble, not a sum: two small troubles are not felt as one large one,
and so the cause named is the one whose removal helps. The limits are those of quality.py: 75 is where a
trouble begins to be felt, and 0 where nothing gets through. What goes wrong at somebody else's end takes 50
at the most: it is felt, but everything else of the call goes well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from chatter.monitoring.quality import JITTER, LOSS, POOR, ROUND_TRIP, SILENCE, Quality, judge
from chatter.monitoring.snapshot import RoomSnapshot, SubscriptionSnapshot, TrackSnapshot, TransportSnapshot
from signaling.quality import CallQuality, Cause, CauseCode

PICTURE_OF = {
    "camera": "picture",
    "screen": "screen",
    "microphone": "sound",
    "screen-audio": "sound of the screen",
}
"""What a source is called in a sentence."""

OWN = {
    "camera": "camera",
    "screen": "shared screen",
    "microphone": "microphone",
    "screen-audio": "screen's sound",
}

Finding = tuple[float, Cause]
"""Trouble from 0 to 1, and what it is."""


def room_quality(room: RoomSnapshot) -> dict[str, CallQuality]:
    """Judge everybody's call by participant id; who is not connected to the media server is left out."""
    names = {participant.id: participant.name for participant in room.participants}
    tracks = {track.track: track for track in room.tracks}
    published = {t.track: list(_of_publisher(t, names.get(t.participant, ""))) for t in room.tracks}
    subscriptions: dict[str, list[SubscriptionSnapshot]] = {}
    for subscription in room.subscriptions:
        subscriptions.setdefault(subscription.participant, []).append(subscription)
    judged = {}
    for participant in room.participants:
        transport = participant.transport
        if transport is None or transport.state != "connected":
            continue
        own = [track for track in room.tracks if track.participant == participant.id]
        received = subscriptions.get(participant.id, [])
        judged[participant.id] = call_quality(_findings(transport, own, received, tracks, names, published))
    return judged


def call_quality(findings: Iterable[Finding]) -> CallQuality:
    """Return the score of the worst of these."""
    trouble, cause = max(findings, key=lambda finding: finding[0], default=(0.0, None))
    return CallQuality(round(100 * (1 - trouble)), Quality(trouble).grade, cause)


def why(subscription: SubscriptionSnapshot, track: TrackSnapshot, name: str) -> Cause | None:
    """Say why a track looks or sounds the way it does to who receives it; None where nothing is wrong.

    `name` is the publisher's.
    """
    findings = [*_of_publisher(track, name), *_of_subscription(subscription, track, name)]
    findings += _loss("downlink_loss", "your downlink", subscription.loss, track.track)
    return max(findings, key=lambda finding: finding[0], default=(0.0, None))[1]


def _findings(
    transport: TransportSnapshot,
    own: Iterable[TrackSnapshot],
    received: Iterable[SubscriptionSnapshot],
    tracks: Mapping[str, TrackSnapshot],
    names: Mapping[str, str],
    published: Mapping[str, Iterable[Finding]],
) -> Iterator[Finding]:
    yield from _found(
        "round_trip",
        f"your packets take {_milliseconds(transport.round_trip_time)} to the server and back",
        judge(transport.round_trip_time or 0.0, ROUND_TRIP, "", most=POOR).trouble,
    )
    for track in own:
        yield from _of_uplink(track)
    received = [subscription for subscription in received if not subscription.paused]
    yield from _loss("downlink_loss", "your downlink", _mean_loss(received), None)
    for subscription in received:
        track = tracks[subscription.track]
        name = names.get(track.participant, track.participant)
        for trouble, cause in published[track.track]:
            yield min(trouble, POOR), cause
        yield from _of_subscription(subscription, track, name)


def _of_uplink(track: TrackSnapshot) -> Iterator[Finding]:
    if track.muted:
        return
    source = OWN[track.source]
    silent = judge(track.silence, SILENCE, "").trouble
    yield from _found("nothing_sent", f"nothing arrives from your {source}", silent, track.track)
    yield from _loss("uplink_loss", "your uplink", track.loss, track.track)
    uneven = judge(track.jitter, JITTER, "", most=POOR).trouble
    yield from _found("uplink_jitter", "your uplink delivers packets unevenly", uneven, track.track)


def _of_publisher(track: TrackSnapshot, name: str) -> Iterator[Finding]:
    if track.muted:
        return
    silent = judge(track.silence, SILENCE, "").trouble
    yield from _found("publisher_silent", f"{name} sends no {PICTURE_OF[track.source]}", silent, track.track)
    yield from _loss("publisher_loss", f"the uplink of {name}", track.loss, track.track)


def _of_subscription(
    subscription: SubscriptionSnapshot, track: TrackSnapshot, name: str
) -> Iterator[Finding]:
    if subscription.frozen and not track.muted and track.silence < SILENCE[0]:
        rest = "waits for a keyframe" if subscription.awaiting_keyframe else "is not sent to you"
        yield 1.0, Cause("frozen", f"the {PICTURE_OF[track.source]} of {name} {rest}", track.track)


def _mean_loss(received: Iterable[SubscriptionSnapshot]) -> float:
    """That of all packets together: a track of few packets tells little."""
    received = list(received)
    weight = sum(subscription.bitrate for subscription in received)
    if not weight:
        return max((subscription.loss for subscription in received), default=0.0)
    return sum(subscription.loss * subscription.bitrate for subscription in received) / weight


def _loss(code: CauseCode, whose: str, loss: float, track_id: str | None) -> Iterator[Finding]:
    yield from _found(code, f"{whose} loses {loss:.0%} of packets", judge(loss, LOSS, "").trouble, track_id)


def _found(code: CauseCode, text: str, trouble: float, track_id: str | None = None) -> Iterator[Finding]:
    if trouble:
        yield trouble, Cause(code, text.replace("%", " %"), track_id)


def _milliseconds(seconds: float | None) -> str:
    return f"{1000 * (seconds or 0.0):.0f} ms"
