"""SRTP sessions of one transport (RFC 3711, RFC 7714), on libsrtp."""

from __future__ import annotations

import contextlib
import ctypes

import pylibsrtp
from pylibsrtp import _binding
from pylibsrtp._binding import ffi, lib

from sfu.plane.interface import Drop, SrtpKeys, SrtpProfile
from sfu.streams.sequence import SEND_WINDOW, WINDOW

# What pylibsrtp's buffer holds, and the most that libsrtp may append to a packet.
MAXIMUM_DATAGRAM = 1500
MAXIMUM_PACKET = MAXIMUM_DATAGRAM - pylibsrtp.SRTP_MAX_TRAILER_LEN
"""Bytes of the largest RTP packet that can be protected."""
MAXIMUM_RTCP = MAXIMUM_DATAGRAM - pylibsrtp.SRTP_MAX_SRTCP_TRAILER_LEN
"""Bytes of the largest compound RTCP packet that can be protected."""
MINIMUM_SRTCP = 8 + 4 + 10
"""Bytes of the smallest SRTCP packet: header, SSRC, index, the shortest tag (RFC 3711 section 3.4)."""

_PROFILES: dict[SrtpProfile, int] = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


def _session(profile: SrtpProfile, key: bytes, ssrc_type: int, window: int) -> pylibsrtp.Session:
    size = profile.key_length + profile.salt_length
    if len(key) != size:
        raise ValueError(
            f"{profile.openssl_name} takes a key and salt of {size} bytes, these have {len(key)}"
        )
    policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[profile])
    policy.window_size = window
    return pylibsrtp.Session(policy)


def receive_session(keys: SrtpKeys) -> pylibsrtp.Session:
    """The session that unprotects what the peer sends. Raises ValueError if the key has the wrong size."""
    return _session(keys.profile, keys.receive, pylibsrtp.Policy.SSRC_ANY_INBOUND, WINDOW)


def send_session(keys: SrtpKeys) -> pylibsrtp.Session:
    """The session that protects what goes to the peer; it refuses to protect one sequence number twice.

    Raises ValueError if the key has the wrong size.
    """
    return _session(keys.profile, keys.send, pylibsrtp.Policy.SSRC_ANY_OUTBOUND, SEND_WINDOW)


def rtp_drop(error: pylibsrtp.Error) -> Drop:
    """The reason for which an RTP packet could not be unprotected."""
    text = str(error)
    if "replay" in text:
        return Drop.SRTP_REPLAY
    if "parsing" in text or "parameter" in text:
        return Drop.MALFORMED_RTP
    return Drop.SRTP_AUTH


def rtcp_drop(error: pylibsrtp.Error) -> Drop:
    """The reason for which an RTCP packet could not be unprotected."""
    text = str(error)
    if "replay" in text:
        return Drop.SRTCP_REPLAY
    if "parsing" in text or "parameter" in text:
        return Drop.MALFORMED_RTCP
    return Drop.SRTCP_AUTH


_FUNCTIONS = (
    "srtp_protect",
    "srtp_unprotect",
    "srtp_protect_rtcp",
    "srtp_unprotect_rtcp",
    "srtp_remove_stream",
)


_EVP_FUNCTIONS = (
    "EVP_CIPHER_CTX_new",
    "EVP_CIPHER_CTX_free",
    "EVP_EncryptInit_ex",
    "EVP_EncryptUpdate",
    "EVP_EncryptFinal_ex",
    "EVP_CIPHER_CTX_ctrl",
    "EVP_aes_128_gcm",
    "EVP_aes_256_gcm",
    "EVP_aes_128_ecb",
    "EVP_aes_256_ecb",
)


def functions() -> dict[str, int]:
    """The addresses of libsrtp's functions in the pylibsrtp wheel, for the compiled plane.

    With them are those of the OpenSSL beneath it, where they can be had. Raises ImportError where it is not a
    libsrtp 2, whose signatures the plane is written for.
    """
    # The binding does not name this function, its library has it.
    library = ctypes.CDLL(_binding.__file__)
    tell = library.srtp_get_version_string
    tell.restype = ctypes.c_char_p
    version = tell().decode()
    if not version.startswith("libsrtp2 2."):
        raise ImportError(f"pylibsrtp carries {version!r}, the compiled plane needs libsrtp 2")
    found = {name: int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in _FUNCTIONS}
    for name in _EVP_FUNCTIONS:
        # A wheel that hides its OpenSSL is as good, but for the time that libsrtp takes.
        with contextlib.suppress(AttributeError):
            found[name] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    return found


def pointer(session: pylibsrtp.Session) -> int:
    """The address of a session's state. It is valid as long as the session is."""
    return int(ffi.cast("uintptr_t", session._srtp[0]))
