"""Passwords that are tried first: those of the leaked lists that zxcvbn is made of."""

from __future__ import annotations

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from auth.credentials import PASSWORD_LENGTH

# About 11,000; shorter ones are refused for their length.
_COMMON = frozenset(
    password for password in FREQUENCY_LISTS["passwords"] if len(password) >= PASSWORD_LENGTH.start
)


def is_common(password: str, username: str) -> bool:
    """Whether `password` would be guessed soon, whatever its case: a known one, or the username itself."""
    folded = password.lower()
    return folded in _COMMON or folded == username.lower()
