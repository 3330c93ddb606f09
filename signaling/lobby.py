"""The lobby of a room: who waits in it, and who need not wait, or may not come, again. No IO."""

from __future__ import annotations

from signaling.participant import Participant


class Lobby:
    """Of one room, for as long as the room is open."""

    def __init__(self) -> None:
        self._waiting: dict[str, Participant] = {}
        self._admitted: set[str] = set()
        self._removed: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, participant_id: object) -> bool:
        return participant_id in self._waiting

    @property
    def waiting(self) -> tuple[Participant, ...]:
        """In the order in which they came."""
        return tuple(self._waiting.values())

    def get(self, participant_id: str) -> Participant | None:
        """Return who waits under that id."""
        return self._waiting.get(participant_id)

    def enter(self, participant: Participant) -> None:
        """Have somebody wait."""
        self._waiting[participant.id] = participant

    def leave(self, participant: Participant) -> bool:
        """Have somebody wait no more; False where they did not."""
        return self._waiting.pop(participant.id, None) is not None

    def remember_admitted(self, participant: Participant) -> None:
        """They do not wait when they come again."""
        self._admitted |= participant.keys

    def was_admitted(self, participant: Participant) -> bool:
        """Whether the same person was let in before."""
        return not self._admitted.isdisjoint(participant.keys)

    def remember_removed(self, participant: Participant) -> None:
        """They may not come again."""
        self._removed |= participant.keys
        self._admitted -= participant.keys

    def was_removed(self, participant: Participant) -> bool:
        """Whether the same person was removed before."""
        return not self._removed.isdisjoint(participant.keys)
