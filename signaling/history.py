"""What was said in a room lately, for those who come late. No IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """Something that was said."""

    id: str
    sender_id: str
    display_name: str
    text: str
    timestamp: int
    """Milliseconds since 1970 in UTC."""

    def to_json(self) -> dict[str, object]:
        """The message as docs/protocol.md has it, without its type."""
        return {
            "id": self.id,
            "from": self.sender_id,
            "displayName": self.display_name,
            "text": self.text,
            "timestamp": self.timestamp,
        }


class ChatHistory:
    """The last messages: so many, of so many characters together, and not older than that."""

    def __init__(
        self, max_messages: int, max_characters: int, max_age: float, messages: Iterable[ChatMessage] = ()
    ) -> None:
        """`max_age` is in seconds; `messages` are those that are known already, oldest first."""
        self._messages: deque[ChatMessage] = deque()
        self._characters = 0
        self._max_messages = max_messages
        self._max_characters = max_characters
        self._max_age = max_age
        for message in messages:
            self.add(message)

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: ChatMessage) -> None:
        """Append a message; the oldest give way."""
        self._messages.append(message)
        self._characters += len(message.text)
        while len(self._messages) > self._max_messages or self._characters > self._max_characters:
            self._characters -= len(self._messages.popleft().text)

    def recent(self, now: float) -> tuple[ChatMessage, ...]:
        """Return what is not too old at `now` (seconds since 1970), oldest first."""
        oldest = (now - self._max_age) * 1000
        while self._messages and self._messages[0].timestamp < oldest:
            self._characters -= len(self._messages.popleft().text)
        return tuple(self._messages)
