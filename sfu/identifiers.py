"""Numbers that must not meet: table rows, SSRCs, credentials. The randomness is injected."""

from __future__ import annotations

import itertools
import random
import string

from sfu.ice import PASSWORD_CHARACTERS, UFRAG_CHARACTERS

# ice-char without "+" and "/", which some clients' parsers have tripped over (RFC 8839 section 5.4).
ICE_CHARACTERS = string.ascii_letters + string.digits


class Identifiers:
    """The source of every number that the SFU chooses.

    `rng` must be cryptographically strong in production (`random.SystemRandom`): ICE passwords come from it.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rows = itertools.count(1)

    def row(self) -> int:
        """An id for a row of the plane, never used before."""
        return next(self._rows)

    def ssrc(self) -> int:
        return self._rng.randrange(1, 1 << 32)

    def first_sequence_number(self) -> int:
        """Below 2^15, so that both sides agree on the first roll-over (RFC 3711 section 3.3.1)."""
        return self._rng.randrange(1, 1 << 15)

    def session_id(self) -> int:
        """For the o= line: 62 bits (RFC 8829 section 5.2.1)."""
        return self._rng.getrandbits(62)

    def ufrag(self) -> str:
        return self._characters(UFRAG_CHARACTERS)

    def pwd(self) -> str:
        return self._characters(PASSWORD_CHARACTERS)

    def _characters(self, count: int) -> str:
        return "".join(self._rng.choice(ICE_CHARACTERS) for _ in range(count))
