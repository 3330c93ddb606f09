from hypothesis import given
from hypothesis import strategies as st

from observability.selection import Selection


def rows(**troubles):
    return {name: (trouble, name) for name, trouble in troubles.items()}


def test_the_most_troubled_are_shown():
    selection = Selection(2)
    selection.update(rows(a=0.1, b=0.9, c=0.5), 0)
    assert sorted(selection.rows) == ["b", "c"]


def test_what_is_shown_stays_a_while_and_makes_way_then():
    selection = Selection(1, hold=60)
    selection.update(rows(a=0.1, b=0.0), 0)
    selection.update(rows(a=0.1, b=0.9), 59)
    assert selection.rows == ["a"]
    selection.update(rows(a=0.1, b=0.9), 60)
    assert selection.rows == ["b"]


def test_of_equals_the_shown_one_stays():
    selection = Selection(1, hold=0)
    selection.update(rows(b=0.5), 0)
    selection.update(rows(a=0.5, b=0.5, c=0.5), 100)
    assert selection.rows == ["b"]


def test_what_has_gone_lingers_while_there_is_room():
    selection = Selection(2, hold=60, linger=30)
    selection.update(rows(a=0.9, b=0.1), 0)
    selection.update(rows(b=0.1), 10)
    assert sorted(selection.rows) == ["a", "b"]
    selection.update(rows(b=0.1), 39)
    assert sorted(selection.rows) == ["a", "b"]
    selection.update(rows(b=0.1), 40)
    assert selection.rows == ["b"]
    selection.update(rows(b=0.1, c=0.0), 41)
    selection.update(rows(c=0.0, d=0.0), 42)
    assert sorted(selection.rows) == ["c", "d"]


def test_what_comes_back_is_the_new_one():
    selection = Selection(2, linger=30)
    selection.update({"a": (0.0, "old")}, 0)
    selection.update({}, 1)
    selection.update({"a": (0.0, "new")}, 2)
    assert selection.rows == ["new"]


@given(
    st.integers(0, 5),
    st.lists(
        st.tuples(st.floats(0, 50), st.dictionaries(st.integers(0, 12), st.floats(0, 1), max_size=12)),
        max_size=12,
    ),
)
def test_there_are_never_more_than_the_limit(limit, looks):
    selection, now = Selection(limit), 0.0
    for elapsed, troubles in looks:
        now += elapsed
        selection.update({key: (trouble, key) for key, trouble in troubles.items()}, now)
        assert len(selection) == len(set(selection.rows)) <= limit
        if len(troubles) <= limit:
            assert set(troubles) <= set(selection.rows)
