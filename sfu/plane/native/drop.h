/* Why a datagram or a packet went no further: the reasons of sfu.plane.interface.Drop that the plane itself
 * gives, by the same names. */
#ifndef CHATTER_DROP_H
#define CHATTER_DROP_H

#define CHATTER_DROPS(X)            \
    X(EMPTY, "empty")               \
    X(UNKNOWN_PROTOCOL, "unknown_protocol") \
    X(UNBOUND_ADDRESS, "unbound_address")   \
    X(BEFORE_DTLS, "before_dtls")   \
    X(MALFORMED_RTP, "malformed_rtp") \
    X(SRTP_AUTH, "srtp_auth")       \
    X(SRTP_REPLAY, "srtp_replay")   \
    X(SEQUENCE_JUMP, "sequence_jump") \
    X(SRTCP_AUTH, "srtcp_auth")     \
    X(SRTCP_REPLAY, "srtcp_replay") \
    X(UNKNOWN_SSRC, "unknown_ssrc") \
    X(MALFORMED_RTCP, "malformed_rtcp") \
    X(RTX_EMPTY, "rtx_empty")       \
    X(RTX_UNKNOWN, "rtx_unknown")   \
    X(ROUTE_PAUSED, "route_paused") \
    X(NOT_LOUDEST, "not_loudest")   \
    X(AWAITING_KEYFRAME, "awaiting_keyframe") \
    X(BEFORE_START, "before_start") \
    X(NO_PAYLOAD_TYPE, "no_payload_type") \
    X(NO_ADDRESS, "no_address")     \
    X(NO_KEYS, "no_keys")           \
    X(TOO_LATE, "too_late")         \
    X(LAYER_NOT_WANTED, "layer_not_wanted") \
    X(TOO_LARGE, "too_large")       \
    X(SRTP_PROTECT, "srtp_protect") \
    X(SEND_WOULD_BLOCK, "send_would_block") \
    X(SEND_FAILED, "send_failed")   \
    X(PUNT_QUEUE_FULL, "punt_queue_full")

typedef enum drop {
#define X(name, text) DROP_##name,
    CHATTER_DROPS(X)
#undef X
    DROP_COUNT,
    /* Not a drop: the packet went on. */
    DROP_NONE = -1,
} drop_t;

const char *drop_name(int reason);

#endif
