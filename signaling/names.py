"""Names that people and clients choose: display names and room ids."""

from __future__ import annotations

import re
import unicodedata

# Letters that read as one another are left out, as ids are also read aloud and typed.
ROOM_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
# 31^10 is 2^49: an id is what lets a guest in, so it must not be guessable.
ROOM_ID_CHARACTERS = 10

_ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Unicode UAX #9: these change the order of the text after them, also of text that is not the name's.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Format characters, marks and separators show nothing when they stand alone.
_INVISIBLE = frozenset(("Cf", "Mn", "Me", "Zs", "Zl", "Zp", "Cn"))
# These have category Lo or So and are drawn as nothing.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def is_room_id(text: str) -> bool:
    """Tell whether `text` is a well-formed room id: 1 to 64 of `A-Z a-z 0-9 _ -`."""
    return _ROOM_ID.fullmatch(text) is not None


def clean_display_name(text: str, limit: int) -> str:
    """Return `text` without control characters and with single spaces.

    Raises ValueError, with a sentence, when nothing visible or more than `limit` characters remain.
    """
    spaced = " ".join(text.split())
    name = "".join(
        c for c in spaced if unicodedata.category(c) not in ("Cc", "Cs") and c not in _BIDI_CONTROLS
    )
    name = name.strip()
    if not any(unicodedata.category(c) not in _INVISIBLE and c not in _BLANKS for c in name):
        raise ValueError(f"displayName is empty; it must have 1 to {limit} characters that can be seen")
    if len(name) > limit:
        raise ValueError(f"displayName has {len(name)} characters; it must have 1 to {limit}")
    return name
