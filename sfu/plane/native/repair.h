/* What has been done against loss, and to learn what links carry: the counters of sfu.plane.interface.Repair, by
 * the same names. */
#ifndef CHATTER_REPAIR_H
#define CHATTER_REPAIR_H

#define CHATTER_REPAIRS(X)                                      \
    X(NACKS_SENT, "nacks_sent")                                 \
    X(PACKETS_REQUESTED, "packets_requested")                   \
    X(PACKETS_RECOVERED, "packets_recovered")                   \
    X(PACKETS_GIVEN_UP, "packets_given_up")                     \
    X(NACKS_RECEIVED, "nacks_received")                         \
    X(PACKETS_RETRANSMITTED, "packets_retransmitted")           \
    X(BYTES_RETRANSMITTED, "bytes_retransmitted")               \
    X(RETRANSMISSIONS_MISSED, "retransmissions_missed")         \
    X(RETRANSMISSIONS_THROTTLED, "retransmissions_throttled")   \
    X(PROBES, "probes")                                         \
    X(PADDING_PACKETS, "padding_packets")                       \
    X(PADDING_BYTES, "padding_bytes")

typedef enum repair {
#define X(name, text) REPAIR_##name,
    CHATTER_REPAIRS(X)
#undef X
    REPAIR_COUNT,
} repair_t;

const char *repair_name(int repair);

#endif
