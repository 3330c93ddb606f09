"""What each m-line that a client sends on carries: microphone, camera or screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfu.errors import NegotiationError
from sfu.parameters import SOURCES_OF_KIND, MediaLine, Source


def assign_sources(
    media: Sequence[MediaLine], publish: Mapping[str, Source], previous: Mapping[str, Source] | None = None
) -> dict[str, Source]:
    """Return mid → source for the accepted lines that the client sends on.

    A line that `publish` does not name keeps its source of `previous` (the result for the client's last
    offer) and otherwise gets the first of its kind that is left; one for which none is left is not in the
    result. Raises NegotiationError (invalid_field) where `publish` names an absent mid, a source of the
    other kind, or one source twice.
    """
    _check(media, publish)
    sending = [line for line in media if line.sends and not line.rejected]
    taken = set(publish.values())
    assigned: dict[str, Source] = {}
    for line in sending:
        kept = (previous or {}).get(line.mid)
        if line.mid in publish:
            assigned[line.mid] = publish[line.mid]
        elif kept in SOURCES_OF_KIND[line.kind] and kept not in taken:
            assigned[line.mid] = kept
            taken.add(kept)
    for line in sending:
        left = next((source for source in SOURCES_OF_KIND[line.kind] if source not in taken), None)
        if line.mid not in assigned and left is not None:
            assigned[line.mid] = left
            taken.add(left)
    return assigned


def _check(media: Sequence[MediaLine], publish: Mapping[str, Source]) -> None:
    lines = {line.mid: line for line in media if line.mid}
    named: set[Source] = set()
    for mid, source in publish.items():
        if mid not in lines:
            raise _invalid(
                f"publish names mid {mid[:32]!r}, expected one of the offer's audio and video lines"
            )
        kind = lines[mid].kind
        if source not in SOURCES_OF_KIND[kind]:
            allowed = " or ".join(SOURCES_OF_KIND[kind])
            raise _invalid(f"publish says {source[:32]!r} of mid {mid!r} ({kind}), expected {allowed}")
        if source in named:
            raise _invalid(f"publish says {source!r} of two lines, expected one line for each source")
        named.add(source)


def _invalid(message: str) -> NegotiationError:
    return NegotiationError("invalid_field", message)
