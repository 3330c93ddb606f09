"""AudioObserver: hears a room's microphones by what the plane counts, tells who speaks, and holds back."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sfu.config import MediaConfig
from sfu.events import Event, SpeakersChanged
from sfu.loudest import Loudest
from sfu.plane.interface import AudioLevels, Plane
from sfu.producer import Producer, Stream
from sfu.speakers import SpeakerDetector

_UNHEARD = AudioLevels(0, 0, 0)


class AudioObserver:
    """One room's. Producers that tell no level are neither told as speakers nor ever held back."""

    def __init__(
        self, room_id: str, config: MediaConfig, plane: Plane, emit: Callable[[Event], None]
    ) -> None:
        self._room_id = room_id
        self._config = config
        self._plane = plane
        self._emit = emit
        self._detector = SpeakerDetector()
        self._loudest: Loudest | None = None
        self._read: dict[int, AudioLevels] = {}
        """What was read last, by source."""
        self._held: set[int] = set()

    def look(self, participants: int, producers: Collection[Producer], now: float) -> None:
        """Hear what has come since the last look. `participants`: how many the room has."""
        microphones = [p for p in producers if p.source == "microphone" and p.streams]
        streams = {producer.track_id: producer.newest for producer in microphones}
        # Who is muted is read all the same: what they say meanwhile is not news once they are unmuted.
        muted = {producer.track_id for producer in microphones if producer.muted}
        heard = {
            track_id: levels for track_id, levels in self._hear(streams).items() if track_id not in muted
        }
        held = {streams[track_id].source for track_id in self._choose(participants, heard, now)}
        self._hold(held, {s.source for producer in producers for s in producer.streams.values()})
        speakers = self._detector.update(heard, now)
        if speakers is not None:
            self._emit(SpeakersChanged(self._room_id, speakers))

    def forget(self, track_id: str) -> None:
        """A track is unpublished. One of the same id that follows is heard anew."""
        self._detector.forget(track_id)

    def _hear(self, streams: dict[str, Stream]) -> dict[str, AudioLevels]:
        """What those that tell their level have told since the last time, by track."""
        telling = {track_id: stream.source for track_id, stream in streams.items() if stream.row.audio_level}
        readings = self._plane.audio_levels(list(telling.values()))
        read = dict(zip(telling.values(), readings, strict=True))
        heard = {
            track_id: _difference(read[source], self._read.get(source, _UNHEARD))
            for track_id, source in telling.items()
            if read[source].packets
        }
        self._read = read
        return heard

    def _choose(self, participants: int, heard: dict[str, AudioLevels], now: float) -> Collection[str]:
        if participants <= self._config.audio_room_size:
            self._loudest = None
            return ()
        if self._loudest is None:
            self._loudest = Loudest(self._config.audio_loudest)
        return self._loudest.update(heard, now)

    def _hold(self, held: set[int], there: set[int]) -> None:
        for source in held - self._held:
            self._plane.hold_source(source, True)
        for source in (self._held - held) & there:
            self._plane.hold_source(source, False)
        self._held = held


def _difference(after: AudioLevels, before: AudioLevels) -> AudioLevels:
    return AudioLevels(
        after.packets - before.packets, after.audible - before.audible, after.total - before.total
    )
