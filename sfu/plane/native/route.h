/* A route: one outgoing stream, whose numbers are continuous over all that feeds it. */
#ifndef CHATTER_ROUTE_H
#define CHATTER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"
#include "gate.h"
#include "number_map.h"
#include "out.h"
#include "pictures.h"
#include "rtp.h"
#include "srtp.h"

#define NO_PAYLOAD_TYPE 0xFF

struct source;
struct transport;

/* Which source a route carries, and how its packets are rewritten. */
typedef struct feed {
    struct source *source; /* NULL for none */
    bool await_keyframe;
    bool clocked; /* timestamp_delta holds: timestamp of the source before - timestamp of this one */
    uint32_t timestamp_delta;
    uint8_t payload_types[128]; /* NO_PAYLOAD_TYPE where the subscriber has none */
    uint8_t extensions[256];
} feed_t;

typedef struct route {
    struct transport *transport; /* where it goes */
    feed_t feed;
    feed_t next; /* what takes its place as soon as a keyframe of it has come */
    uint32_t ssrc, clock_rate;
    uint16_t first_sequence;
    uint8_t mid_id, mid_size;
    uint8_t mid[255];
    uint8_t transport_wide_id, abs_send_time_id; /* 0 where the subscriber has none */
    bool paused, awaiting_keyframe;
    bool starting; /* the next packet sent anchors the numbers anew */
    bool anchored; /* timestamp_offset is known */
    bool sent;     /* highest, last_timestamp and last_now are known */
    uint32_t timestamp_offset, last_timestamp;
    int64_t start;   /* extended number, at the source, of the packet that anchored */
    int64_t highest; /* extended, of the newest packet sent */
    number_map_t numbers; /* extended numbers of the source -> those sent */
    gate_t gate;
    pictures_t pictures;
    double last_now;
    double first_sent; /* of the first packet of all, 0 before it */
    send_window_t window;
    uint64_t offered, packets, bytes, payload_bytes;
    uint64_t drops[DROP_COUNT];
} route_t;

/* Bytes up to which a packet may be padded: the least that an IPv6 path carries (RFC 8200 section 5), less the
 * headers of IPv6 and UDP and the longest SRTP tag. Padding is no reason to exceed the MTU of a path. */
#define MAX_PADDED_RTP (1280 - 40 - 8 - 16)

/* Write the packet of `source` as the subscriber gets it, or tell why not. Counts it as offered. `pad` adds one
 * byte of RTP padding, so that packets which differ by a byte are of one size. Where it is the keyframe that the
 * route waited for, the source before is let go of: the caller holds `receiving` of the publisher of both. */
drop_t route_forward(
    route_t *route,
    struct source *source,
    const packet_t *packet,
    double now,
    bool pad,
    const srtp_t *srtp,
    out_t *out);

#endif
