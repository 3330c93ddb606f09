"""Which microphones are held back: levels in, tracks out."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.loudest import HOLD, Loudest
from sfu.plane.interface import AudioLevels

STEP = 0.1
SILENCE = AudioLevels(5, 0, 0)


def at(level):
    return AudioLevels(5, 5, 5 * level)


class Room:
    def __init__(self, count):
        self.loudest = Loudest(count)
        self.now = 100.0
        self.held = set()
        self.changes = 0

    def hear(self, seconds, **heard):
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            held = set(self.loudest.update(heard, self.now))
            self.changes += held != self.held
            self.held = held
        return self.held


def test_nobody_is_held_back_where_there_is_room():
    assert Room(3).hear(1, a=at(20), b=SILENCE, c=SILENCE) == set()


def test_the_loudest_pass():
    assert Room(2).hear(3, a=at(40), b=at(20), c=at(30), d=SILENCE) == {"a", "d"}


def test_who_begins_to_speak_passes_at_once_if_somebody_is_silent():
    room = Room(1)
    room.hear(3, a=SILENCE, b=SILENCE)
    assert room.hear(STEP, a=SILENCE, b=at(30)) == {"a"}


def test_a_pause_between_words_costs_nobody_the_place():
    room = Room(1)
    room.hear(3, a=at(25), b=SILENCE)
    for _ in range(5):
        room.hear(0.5, a=SILENCE, b=at(40))
        assert room.held == {"b"}
        room.hear(0.5, a=at(25), b=at(40))
        assert room.held == {"b"}
    assert room.hear(3, a=SILENCE, b=at(40)) == {"a"}


def test_who_is_a_little_louder_waits():
    room = Room(1)
    room.hear(3, a=at(30), b=SILENCE)
    assert room.hear(3, a=at(30), b=at(26)) == {"b"}
    assert room.hear(3, a=at(30), b=at(22)) == {"a"}


def test_who_came_in_stays_a_while():
    room = Room(1)
    room.hear(3, a=SILENCE, b=SILENCE, c=SILENCE)
    room.hear(STEP, a=SILENCE, b=at(40), c=SILENCE)
    assert room.hear(HOLD - 2 * STEP, a=SILENCE, b=at(40), c=at(5)) == {"a", "c"}
    assert room.hear(3 * STEP, a=SILENCE, b=at(40), c=at(5)) == {"a", "b"}


def test_silence_changes_nothing():
    room = Room(2)
    room.hear(3, a=at(20), b=SILENCE, c=at(20))
    changes = room.changes
    room.hear(20, a=SILENCE, b=SILENCE, c=SILENCE)
    assert room.held == {"b"}
    assert room.changes == changes


def test_who_leaves_makes_room():
    room = Room(1)
    room.hear(3, a=at(20), b=SILENCE)
    assert room.hear(STEP, b=SILENCE) == set()


@given(
    st.integers(1, 5),
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdefg"), st.tuples(st.integers(0, 5), st.integers(0, 50)), max_size=7
        ),
        max_size=60,
    ),
)
def test_as_many_pass_as_may(count, history):
    room = Room(count)
    for looks in history:
        heard = {track: AudioLevels(5, audible, audible * level) for track, (audible, level) in looks.items()}
        room.hear(STEP, **heard)
        assert room.held <= set(heard)
        assert len(heard) - len(room.held) == min(len(heard), count)
