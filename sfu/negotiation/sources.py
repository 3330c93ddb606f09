"""What each m-line that a client sends on carries: microphone, camera or screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfu.errors import NegotiationError
from sfu.parameters import SOURCES_OF_KIND, MediaLine, Source


def assign_sources(media: Sequence[MediaLine], publish: Mapping[str, Source]) -> dict[str, Source]:
    """Return mid → source for the accepted lines that the client sends on.

    Lines that `publish` does not name get the sources of their kind that are left, in order; one for which
    none is left is not in the result. Raises NegotiationError (invalid_field) where `publish` names an
    absent mid, a source of the other kind, or one source twice.
    """
    lines = {line.mid: line for line in media if line.mid}
    taken: set[Source] = set()
    for mid, source in publish.items():
        if mid not in lines:
            raise _invalid(
                f"publish names mid {mid[:32]!r}, expected one of the offer's audio and video lines"
            )
        kind = lines[mid].kind
        if source not in SOURCES_OF_KIND[kind]:
            allowed = " or ".join(SOURCES_OF_KIND[kind])
            raise _invalid(f"publish says {source[:32]!r} of mid {mid!r} ({kind}), expected {allowed}")
        if source in taken:
            raise _invalid(f"publish says {source!r} of two lines, expected one line for each source")
        taken.add(source)

    assigned: dict[str, Source] = {}
    for line in media:
        if line.rejected or not line.sends:
            continue
        source_left = next((s for s in SOURCES_OF_KIND[line.kind] if s not in taken), None)
        chosen = publish.get(line.mid, source_left)
        if chosen is not None:
            assigned[line.mid] = chosen
            taken.add(chosen)
    return assigned


def _invalid(message: str) -> NegotiationError:
    return NegotiationError("invalid_field", message)
