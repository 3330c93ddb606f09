from __future__ import annotations

import pytest

from signaling.names import clean_display_name, is_room_id


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\r\nLovelace", "Ada Lovelace"),
        ("A\x00d\x1b[31ma\x7f", "Ad[31ma"),
        # The right-to-left override would turn round the text after the name.
        ("Ada\u202eecila", "Adaecila"),
        ("\u2066Ada\u2069", "Ada"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("José", "José"),
        ("Jose\u0301", "Jose\u0301"),
        ("עדה", "עדה"),
        ("x" * 8, "x" * 8),
        ("x" * 8 + "\x07 ", "x" * 8),
    ],
)
def test_a_display_name_is_cleaned(text, name):
    assert clean_display_name(text, 8 if len(name) <= 8 else 64) == name


@pytest.mark.parametrize(
    "text", ["", "  ", "\x00\x1f", "\u200b", "\u200d\u200d", "\u202e", "\u3164", "\u2800"]
)
def test_a_display_name_can_be_seen(text):
    with pytest.raises(ValueError, match="displayName is empty; it must have 1 to 64 characters"):
        clean_display_name(text, 64)


def test_a_display_name_is_bounded():
    with pytest.raises(ValueError, match="displayName has 9 characters; it must have 1 to 8"):
        clean_display_name("x" * 9, 8)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("Team_1-b", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("ä", False),
        ("a\n", False),
        ("１", False),
    ],
)
def test_a_room_id_is_well_formed(text, good):
    assert is_room_id(text) is good
