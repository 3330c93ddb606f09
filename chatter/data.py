"""The folder where a server without a database server keeps what must last."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from auth.tokens import MIN_SECRET_BYTES
from chatter.errors import StartError


class DataFolder:
    """A folder with the embedded database and the signing secret."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make the folder. Raise StartError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise StartError(
                f'The data folder "{self.path}" (DATA_DIR) cannot be made: {exc.strerror}.'
            ) from None

    def secret(self) -> str:
        """Return the signing secret; the first time, make a random one. Raise StartError."""
        return self._secrets()[0]

    def previous_secrets(self) -> list[str]:
        """Return the secrets before it, on further lines of the file. Raise StartError."""
        return self._secrets()[1:]

    def _secrets(self) -> list[str]:
        self.prepare()
        file = self.path / "secret"
        try:
            if not file.exists():
                self._write_once(file, secrets.token_hex(MIN_SECRET_BYTES))
            # A copied folder may have lost it.
            file.chmod(0o600)
            lines = file.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as exc:
            raise StartError(f'The signing secret "{file}" cannot be kept: {exc}.') from None
        if not lines or min(map(len, lines)) < MIN_SECRET_BYTES:
            raise StartError(
                f'The signing secret "{file}" is shorter than {MIN_SECRET_BYTES} bytes: '
                "delete the file to have a new one made (everybody must sign in again)."
            )
        return lines

    def _write_once(self, file: Path, secret: str) -> None:
        # Whole or not at all, also when two servers start at once: a link does not replace.
        draft = self.path / f".secret.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secret + "\n")
            try:
                os.link(draft, file)
            except FileExistsError:
                return
        finally:
            draft.unlink()
