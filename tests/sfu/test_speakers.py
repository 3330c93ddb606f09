"""Who speaks: windows of levels in, rankings out."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.plane.interface import AudioLevels
from sfu.speakers import INTERVAL, MAX_SPEAKERS, SpeakerDetector

STEP = 0.1
SPEECH = AudioLevels(5, 4, 4 * 25)
SILENCE = AudioLevels(5, 0, 0)
CLICK = AudioLevels(5, 1, 20)
DTX = AudioLevels(0, 0, 0)


class Room:
    def __init__(self):
        self.detector = SpeakerDetector()
        self.now = 100.0
        self.told = []

    def hear(self, seconds, **heard):
        """What comes of each track in each tenth of a second."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            speakers = self.detector.update(heard, self.now)
            if speakers is not None:
                self.told.append((round(self.now - 100, 1), [speaker.track_id for speaker in speakers]))


def at(level):
    return AudioLevels(5, 5, 5 * level)


def test_a_speaker_comes_within_a_fifth_of_a_second_and_goes_within_one():
    room = Room()
    room.hear(1, a=SILENCE)
    room.hear(1, a=SPEECH)
    room.hear(2, a=SILENCE)
    assert [speakers for _, speakers in room.told] == [["a"], []]
    begun, ended = (when for when, _ in room.told)
    assert 1.0 < begun <= 1.3
    assert 2.0 < ended <= 2.9


def test_a_pause_between_words_ends_nothing():
    room = Room()
    for _ in range(5):
        room.hear(0.5, a=SPEECH)
        room.hear(0.5, a=SILENCE)
    assert [speakers for _, speakers in room.told] == [["a"]]


def test_with_dtx_nothing_comes_after_the_last_word():
    room = Room()
    room.hear(1, a=SPEECH)
    room.hear(1, a=DTX)
    assert [speakers for _, speakers in room.told] == [["a"], []]


def test_comfort_noise_with_dtx_is_no_speech():
    room = Room()
    for _ in range(10):
        room.hear(0.1, a=AudioLevels(1, 1, 45))
        room.hear(0.4, a=DTX)
    assert room.told == []


def test_clicks_are_no_speech():
    room = Room()
    for _ in range(6):
        room.hear(0.1, a=CLICK)
        room.hear(0.4, a=SILENCE)
    assert room.told == []


def test_the_loudest_is_first():
    room = Room()
    room.hear(1, a=at(40), b=at(20), c=at(30), d=SILENCE)
    assert room.told[-1][1] == ["b", "c", "a"]


def test_who_is_a_little_louder_does_not_take_the_place():
    room = Room()
    room.hear(1, a=at(30), b=at(40))
    room.hear(2, a=at(30), b=at(28))
    assert [speakers for _, speakers in room.told] == [["a", "b"]]
    room.hear(2, a=at(30), b=at(20))
    assert room.told[-1][1] == ["b", "a"]


def test_who_leaves_or_is_muted_does_not_speak():
    room = Room()
    room.hear(1, a=SPEECH, b=SILENCE)
    room.hear(INTERVAL + STEP, b=SILENCE)
    assert room.told[-1][1] == []


def test_who_comes_back_begins_anew():
    room = Room()
    room.hear(1, a=SPEECH)
    room.hear(0.5)
    room.hear(0.1, a=CLICK)
    assert room.told[-1][1] == []


def test_a_track_that_is_published_anew_is_told_anew():
    room = Room()
    room.hear(1, a=SPEECH, b=SPEECH)
    room.detector.forget("a")
    room.hear(1, a=SPEECH, b=SPEECH)
    assert [speakers for _, speakers in room.told] == [["a", "b"], ["a", "b"]]
    room.told.clear()
    room.detector.forget("c")
    room.hear(1, a=SPEECH, b=SPEECH)
    assert room.told == []


def test_the_loudest_ten_of_many_are_told():
    room = Room()
    room.hear(1, **{f"t{number}": at(10 + number) for number in range(30)})
    assert len(room.told[-1][1]) == MAX_SPEAKERS


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 50)), min_size=3, max_size=3),
        max_size=80,
    )
)
def test_what_is_told_is_news_and_not_too_often(history):
    room = Room()
    for looks in history:
        heard = {
            track: AudioLevels(packets, min(packets, audible), min(packets, audible) * level)
            for track, (packets, audible, level) in zip("abc", looks, strict=True)
        }
        room.hear(STEP, **heard)
    for (before, former), (after, speakers) in zip(room.told, room.told[1:], strict=False):
        assert after - before >= INTERVAL - 0.01
        assert speakers != former
        assert len(set(speakers)) == len(speakers)
