"""What has been protected, seen from beneath both planes: no SRTP index may ever carry two plaintexts."""

import contextlib
import ctypes
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pylibsrtp
import pytest

from sfu.plane import srtp

_PROTECT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
_REAL_FUNCTIONS = srtp.functions()
_real_protect = _PROTECT(_REAL_FUNCTIONS["srtp_protect"])


class Ledger:
    """Plaintexts by session, SSRC and 48-bit index (RFC 3711 section 3.3.1)."""

    def __init__(self) -> None:
        self.plaintexts: dict[tuple[int, int, int], bytes] = {}
        self.highest: dict[tuple[int, int], int] = {}
        self.repeats: list[str] = []
        self._sessions = 0
        self._serials: dict[int, int] = {}  # address of a session → which one it is; addresses come again

    def begin(self, session: int) -> None:
        """A new session lives at this address."""
        self._sessions += 1
        self._serials[session] = self._sessions

    def end(self, session: int) -> None:
        """The session that was at this address is gone."""
        self._serials.pop(session, None)

    def knows(self, session: int) -> bool:
        return session in self._serials

    def note(self, session: int, packet: bytes) -> None:
        """The session has protected this packet."""
        sequence, ssrc = struct.unpack_from("!2xH4xI", packet)
        stream = self._serials[session], ssrc
        highest = self.highest.get(stream)
        index = sequence
        if highest is not None:
            index = highest + ((sequence - highest + 0x8000 & 0xFFFF) - 0x8000)
        self.highest[stream] = index if highest is None else max(highest, index)
        if self.plaintexts.setdefault((*stream, index), packet) != packet:
            self.repeats.append(f"SSRC {ssrc} has two plaintexts under index {index}")


class Watch(AbstractContextManager[Ledger]):
    """Puts a ledger between the planes and libsrtp."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._patch = pytest.MonkeyPatch()
        # Alive as long as a plane may call it.
        self.callback = _PROTECT(self._protect)

    def _protect(self, session: int, packet: int, size: "ctypes._Pointer[ctypes.c_int]") -> int:
        plain = ctypes.string_at(packet, size[0])
        status: int = _real_protect(session, packet, size)
        if status == 0:
            self.ledger.note(session, plain)
        return status

    def __enter__(self) -> Ledger:
        def watched(real: Callable[..., bytes]) -> Callable[..., bytes]:
            def protect(session: pylibsrtp.Session, packet: bytes) -> bytes:
                protected = real(session, packet)
                if self.ledger.knows(srtp.pointer(session)):
                    self.ledger.note(srtp.pointer(session), packet)
                return protected

            return protect

        def create(session: pylibsrtp.Session, *args: object) -> None:
            real_create(session, *args)
            self.ledger.end(srtp.pointer(session))

        def send_session(keys: srtp.SrtpKeys) -> pylibsrtp.Session:
            session = real_send_session(keys)
            self.ledger.begin(srtp.pointer(session))
            return session

        real_send_session, real_create = srtp.send_session, pylibsrtp.Session.__init__
        address = ctypes.cast(self.callback, ctypes.c_void_p).value
        self._patch.setattr(srtp, "functions", lambda: {**_REAL_FUNCTIONS, "srtp_protect": address})
        self._patch.setattr(srtp, "send_session", send_session)
        self._patch.setattr(pylibsrtp.Session, "__init__", create)
        self._patch.setattr(pylibsrtp.Session, "protect", watched(pylibsrtp.Session.protect))
        return self.ledger

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
        assert not self.ledger.repeats


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Planes that are made in here call libsrtp itself, at full speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(srtp, "functions", lambda: dict(_REAL_FUNCTIONS))
        yield
