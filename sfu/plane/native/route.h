/* A route: one outgoing stream, whose numbers are continuous over all that feeds it. */
#ifndef CHATTER_ROUTE_H
#define CHATTER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"
#include "out.h"
#include "rtp.h"
#include "srtp.h"

#define NO_PAYLOAD_TYPE 0xFF

struct source;
struct transport;

typedef struct route {
    struct transport *transport; /* where it goes */
    struct source *source;       /* what feeds it, NULL for nothing */
    uint32_t ssrc, clock_rate;
    uint16_t first_sequence;
    uint8_t mid_id, mid_size;
    uint8_t mid[255];
    uint8_t transport_wide_id, abs_send_time_id; /* 0 where the subscriber has none */
    uint8_t payload_types[128]; /* NO_PAYLOAD_TYPE where the subscriber has none */
    uint8_t extensions[256];
    bool fed, paused, awaiting_keyframe;
    bool starting; /* the next packet sent anchors the numbers anew */
    bool anchored; /* timestamp_offset is known */
    bool sent;     /* highest, last_timestamp and last_now are known */
    uint32_t timestamp_offset, last_timestamp;
    int64_t start;           /* extended number, at the source, of the packet that anchored */
    int64_t sequence_offset; /* extended number sent - extended number of the source */
    int64_t highest;         /* extended, of the newest packet sent */
    double last_now;
    double first_sent; /* of the first packet of all, 0 before it */
    send_window_t window;
    uint64_t offered, packets, bytes, payload_bytes;
    uint64_t drops[DROP_COUNT];
} route_t;

/* Bytes up to which a packet may be padded: the least that an IPv6 path carries (RFC 8200 section 5), less the
 * headers of IPv6 and UDP and the longest SRTP tag. Padding is no reason to exceed the MTU of a path. */
#define MAX_PADDED_RTP (1280 - 40 - 8 - 16)

/* Write the packet as the subscriber gets it, or tell why not. Counts it as offered. `pad` adds one byte of
 * RTP padding, so that packets which differ by a byte are of one size. */
drop_t route_forward(route_t *route, const packet_t *packet, double now, bool pad, const srtp_t *srtp, out_t *out);

#endif
