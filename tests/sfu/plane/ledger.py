"""What has been protected, seen from beneath both planes: no SRTP index may ever carry two plaintexts."""

import contextlib
import ctypes
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pylibsrtp
import pytest

from sfu.plane import srtp

_PROTECT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
_REAL_FUNCTIONS = srtp.functions()
_real_protect = _PROTECT(_REAL_FUNCTIONS["srtp_protect"])


_NEW_CONTEXT = ctypes.CFUNCTYPE(ctypes.c_void_p)
_INIT = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)
_UPDATE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
)
_FINAL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_real_new_context = _NEW_CONTEXT(_REAL_FUNCTIONS["EVP_CIPHER_CTX_new"])
_real_init = _INIT(_REAL_FUNCTIONS["EVP_EncryptInit_ex"])
_real_update = _UPDATE(_REAL_FUNCTIONS["EVP_EncryptUpdate"])
_real_final = _FINAL(_REAL_FUNCTIONS["EVP_EncryptFinal_ex"])
_NONCE = 12


class Ledger:
    """Plaintexts by session, SSRC and 48-bit index (RFC 3711 section 3.3.1).

    The session is libsrtp's, or the OpenSSL context with which the compiled plane encrypts.
    """

    def __init__(self) -> None:
        self.nonces: dict[tuple[int, bytes], bytes] = {}
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

    def encrypted(self, context: int, nonce: bytes, packet: bytes) -> None:
        """The context has encrypted this packet with this nonce."""
        if self.nonces.setdefault((self._serials[context], nonce), packet) != packet:
            self.repeats.append(f"nonce {nonce.hex()} has two plaintexts")
        self.note(context, packet)


class Watch(AbstractContextManager[Ledger]):
    """Puts a ledger between the planes, libsrtp and OpenSSL."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._patch = pytest.MonkeyPatch()
        # Alive as long as a plane may call it.
        self._callbacks = {
            "srtp_protect": _PROTECT(self._protect),
            "EVP_CIPHER_CTX_new": _NEW_CONTEXT(self._new_context),
            "EVP_EncryptInit_ex": _INIT(self._init),
            "EVP_EncryptUpdate": _UPDATE(self._update),
            "EVP_EncryptFinal_ex": _FINAL(self._final),
        }
        self._lock = threading.Lock()
        # What each context is in the middle of: its nonce, and the header and payload as plain text.
        self._packets: dict[int, tuple[bytes, bytes]] = {}

    def _protect(self, session: int, packet: int, size: "ctypes._Pointer[ctypes.c_int]") -> int:
        plain = ctypes.string_at(packet, size[0])
        status: int = _real_protect(session, packet, size)
        if status == 0:
            self.ledger.note(session, plain)
        return status

    def _new_context(self) -> int | None:
        context: int | None = _real_new_context()
        if context:
            with self._lock:
                self.ledger.begin(context)
        return context

    def _init(self, context: int, cipher: int | None, engine: None, key: int | None, iv: int | None) -> int:
        if iv:
            self._packets[context] = ctypes.string_at(iv, _NONCE), b""
        return int(_real_init(context, cipher, engine, key, iv))

    def _update(self, context: int, out: int | None, size: int, given: int, given_size: int) -> int:
        if context in self._packets:
            nonce, packet = self._packets[context]
            self._packets[context] = nonce, packet + ctypes.string_at(given, given_size)
        return int(_real_update(context, out, size, given, given_size))

    def _final(self, context: int, out: int, size: int) -> int:
        with self._lock:
            self.ledger.encrypted(context, *self._packets.pop(context))
        return int(_real_final(context, out, size))

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
        watching = {
            name: ctypes.cast(callback, ctypes.c_void_p).value for name, callback in self._callbacks.items()
        }
        self._patch.setattr(srtp, "functions", lambda: {**_REAL_FUNCTIONS, **watching})
        self._patch.setattr(srtp, "send_session", send_session)
        self._patch.setattr(pylibsrtp.Session, "__init__", create)
        self._patch.setattr(pylibsrtp.Session, "protect", watched(pylibsrtp.Session.protect))
        return self.ledger

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
        assert not self.ledger.repeats


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Planes that are made in here call libsrtp and OpenSSL themselves, at full speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(srtp, "functions", lambda: dict(_REAL_FUNCTIONS))
        yield
