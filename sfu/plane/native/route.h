/* A route: one outgoing stream, whose numbers are continuous over all that feeds it. */
#ifndef CHATTER_ROUTE_H
#define CHATTER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "drop.h"
#include "gate.h"
#include "history.h"
#include "number_map.h"
#include "out.h"
#include "pictures.h"
#include "repair.h"
#include "rtp.h"
#include "srtp.h"

/* Packets that a subscriber can ask for again, and times that it gets one. */
#define REMEMBERED 512
#define MAX_RESENDS 8

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
    bool nack;                      /* NACKs of the subscriber are answered */
    bool rebuilds;                  /* by RTX, so that packets of the source may be needed again */
    uint8_t rtx_payload_types[128]; /* by payload type as sent; NO_PAYLOAD_TYPE where it is repeated as it was */
} feed_t;

/* A packet that was sent, and what it takes to write it again. */
typedef struct remembered {
    int64_t number;   /* extended, as sent */
    int64_t source;   /* id of the row */
    int64_t extended; /* its number at the source */
    double resent_at;
    uint32_t timestamp; /* as sent, as are those below */
    picture_numbers_t pictures;
    uint8_t payload_type, marker;
    uint8_t resends;
    bool used;
} remembered_t;

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
    bool has_rtx; /* rtx_ssrc is there */
    uint32_t rtx_ssrc;
    int64_t rtx_sequence; /* of the next one */
    send_window_t rtx_window;
    uint8_t padding_type; /* of RTX for the newest packet that has one, NO_PAYLOAD_TYPE before */
    remembered_t *remembered; /* REMEMBERED by number, NULL before the first */
    history_t *kept;          /* as it was sent, by number: what RTX cannot repeat; NULL before the first */
    uint64_t nacks, retransmitted, retransmitted_bytes, missed, throttled;
    uint64_t padding, padding_bytes; /* packets of padding alone */
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

/* Send a packet again that a NACK asks for, if it is there. Counts what it does in `repairs` too. */
void route_resend(
    route_t *route, uint16_t number, double now, const srtp_t *srtp, out_t *out, uint64_t repairs[REPAIR_COUNT]);

/* Whether packets of padding can be sent on it, and are counted by the subscriber's feedback. */
static inline bool route_takes_padding(const route_t *route) {
    return route->transport_wide_id && route->padding_type != NO_PAYLOAD_TYPE;
}
/* Send a packet of padding on the SSRC of RTX; its bytes, 0 where it could not be. */
size_t route_pad(route_t *route, double now, const srtp_t *srtp, out_t *out);

#endif
