"""A source of the reference plane: what is known of an incoming stream, and the routes that it feeds."""

from __future__ import annotations

from sfu.plane.interface import SourceRow, SourceState
from sfu.plane.level import Level
from sfu.plane.route import Route
from sfu.streams.history import History, HistoryLimits
from sfu.streams.keyframe import Detector, detector_for
from sfu.streams.layer_reader import LayerReader
from sfu.streams.nack import MAX_AGE_AUDIO, MAX_AGE_VIDEO, NackList
from sfu.streams.reception import Reception

MAXIMUM_LAYER = 3
"""Bytes of higher layers count into this one: there could be eight, and nobody sends more than three."""


class Source:
    """An incoming stream."""

    __slots__ = (
        "codecs",
        "detectors",
        "held",
        "history",
        "keeps",
        "keyframe_timestamp",
        "keyframes",
        "layer_bytes",
        "layers",
        "level",
        "missing",
        "nacks",
        "reception",
        "recovered",
        "requested",
        "routes",
        "row",
        "rtx_bytes",
        "rtx_packets",
        "rtx_ssrc",
    )

    def __init__(self, row: SourceRow, limits: HistoryLimits) -> None:
        self.row = row
        self.reception = Reception(row.clock_rate)
        self.routes: dict[int, Route] = {}
        self.detectors: dict[int, Detector] = {}
        if row.is_video:
            for payload_type, codec in row.codecs.items():
                detector = detector_for(codec)
                if detector is not None:
                    self.detectors[payload_type] = detector
        self.codecs = {
            payload_type: row.codecs[payload_type].upper() if payload_type in self.detectors else None
            for payload_type in row.codecs
        }
        self.layers = LayerReader(row.dependency_descriptor, row.frame_marking)
        self.layer_bytes: dict[tuple[int, int], int] = {}
        self.level = Level()
        self.held = False
        """It is forwarded to nobody for now."""
        self.keyframes = 0
        self.keyframe_timestamp: int | None = None
        self.rtx_ssrc = row.rtx_ssrc
        self.missing = NackList(MAX_AGE_VIDEO if row.is_video else MAX_AGE_AUDIO) if row.nack else None
        self.history = History(limits)
        self.keeps = False
        self.nacks = 0
        self.requested = 0
        self.recovered = 0
        self.rtx_packets = 0
        self.rtx_bytes = 0

    def settle(self) -> None:
        """To be called when its routes have changed: it keeps packets where one may need them again."""
        self.keeps = any(route.rebuilds(self.row.id) for route in self.routes.values())
        if not self.keeps:
            self.history.release()

    def state(self) -> SourceState:
        """A copy of the counters."""
        reception = self.reception
        return SourceState(
            packets=reception.packets,
            bytes=reception.bytes,
            first_sequence_number=reception.first,
            highest_sequence_number=reception.highest,
            jitter=reception.jitter,
            keyframes=self.keyframes,
            last_packet=reception.last_packet,
            layer_bytes=dict(self.layer_bytes),
            nacks=self.nacks,
            requested=self.requested,
            recovered=self.recovered,
            given_up=self.missing.given_up if self.missing is not None else 0,
            rtx_packets=self.rtx_packets,
            rtx_bytes=self.rtx_bytes,
            round_trip_time=self.missing.round_trip_time if self.missing is not None else None,
        )
