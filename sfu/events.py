"""What the SFU tells its owner: in order, on the event loop, after the state has changed."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.parameters import Kind, Source
from sfu.speakers import Speaker


@dataclass(frozen=True, slots=True)
class Encoding:
    """One stream of a track as the publisher sends it."""

    rid: str
    """The simulcast id; empty where the track is a single stream."""
    codec: str


@dataclass(frozen=True, slots=True)
class TrackPublished:
    """A participant's track can be subscribed to from now on."""

    room_id: str
    participant_id: str
    track_id: str
    kind: Kind
    source: Source
    encodings: tuple[Encoding, ...]


@dataclass(frozen=True, slots=True)
class TrackUnpublished:
    """A track has gone; its consumers have been closed."""

    room_id: str
    participant_id: str
    track_id: str


@dataclass(frozen=True, slots=True)
class TransportConnected:
    """ICE and DTLS are done: media flows both ways from now on."""

    room_id: str
    participant_id: str


@dataclass(frozen=True, slots=True)
class TransportClosed:
    """A participant's media has ended; everything that it held has been freed.

    `reason` is one of: "left", "consent-expired", "dtls-failed", "dtls-closed", "fingerprint-mismatch",
    "never-connected", "replaced", "server-closed".
    """

    room_id: str
    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataRefused:
    """A participant's data message was not delivered, or not to everybody it named.

    `code` is one of docs/protocol.md's error codes; told at most once a second for each.
    """

    room_id: str
    participant_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SubscriptionChanged:
    """A subscriber gets another layer of a track than before.

    `reason`: "wanted" (what its wish comes to), "bandwidth" (what its link allows), "publisher" (what the
    publisher sends: what is wanted does not come, or not yet).
    """

    room_id: str
    participant_id: str
    track_id: str
    rid: str
    """The simulcast stream; empty where there is one alone."""
    spatial: int
    temporal: int
    width: int | None
    """Pixels; None where the stream has not told."""
    height: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """Others speak in a room than before, or another one is the loudest."""

    room_id: str
    speakers: tuple[Speaker, ...]
    """The loudest first; empty where nobody speaks."""


@dataclass(frozen=True, slots=True)
class EncodingsWanted:
    """A publisher is to send these encodings of its track and let the others rest."""

    room_id: str
    participant_id: str
    track_id: str
    active: tuple[tuple[str, bool], ...]
    """(rid, whether it is to be sent) of each, the lowest first."""


Event = (
    TrackPublished
    | TrackUnpublished
    | TransportConnected
    | TransportClosed
    | DataRefused
    | SubscriptionChanged
    | SpeakersChanged
    | EncodingsWanted
)
