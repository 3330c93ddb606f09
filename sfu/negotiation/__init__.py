"""Offer and answer (RFC 8829, RFC 3264): what a client offers, and what the media server answers.

Pure functions: no clock, no IO, no randomness, nothing kept between calls.
"""

from sfu.negotiation.answer import write_answer
from sfu.negotiation.codecs import compatible_payload_types
from sfu.negotiation.extensions import (
    ABS_SEND_TIME,
    TRANSPORT_WIDE,
    extension_map,
    received_extension,
    sent_extension,
)
from sfu.negotiation.offer import read_offer
from sfu.negotiation.sources import assign_sources

__all__ = [
    "ABS_SEND_TIME",
    "TRANSPORT_WIDE",
    "assign_sources",
    "compatible_payload_types",
    "extension_map",
    "read_offer",
    "received_extension",
    "sent_extension",
    "write_answer",
]
