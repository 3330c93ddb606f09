/* The plane's rows and what it does with a datagram. Callers hold the plane's lock. */
#ifndef CHATTER_PLANE_H
#define CHATTER_PLANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "drop.h"
#include "history.h"
#include "level.h"
#include "nack.h"
#include "out.h"
#include "probe.h"
#include "reception.h"
#include "repair.h"
#include "route.h"
#include "rtp.h"
#include "sent.h"
#include "srtp.h"
#include "twcc.h"

#define NO_ROW INT64_MIN
/* Addresses bound to one transport; a further one ends the oldest. */
#define MAX_ADDRESSES 16
/* SSRCs without a row whose SRTP state a transport keeps; a further one ends the oldest. */
#define MAX_STRANGERS 64
/* Datagrams read at once, and packets of one source that are forwarded together. */
#define BATCH 64
/* Paths that are remembered between a check and its answer; one that meets another takes its place. */
#define PATHS 4096
/* Punts that wait for Python; further ones are dropped and counted. */
#define MAX_PUNTS 8192
/* Layers whose bytes are counted apart; those above count into the highest. */
#define COUNTED_LAYERS 4
/* Items of NACKs that a lane keeps until it has forwarded. */
#define MAX_REQUESTS 512
/* Sources whose gaps are looked at at once; the others have the next turn. */
#define MAX_GAPS 256
/* Seconds: of a round trip that is not measured, and between two looks of the lanes. */
#define ROUND_TRIP_TIME 0.1
#define ASK_INTERVAL 0.005

typedef struct source {
    int64_t id;
    struct transport *transport;
    uint32_t ssrc;
    bool is_video;
    uint8_t codecs[128]; /* codec_t by payload type */
    uint8_t transport_wide_id; /* of the transport-wide sequence number at the publisher, 0 where it has none */
    uint8_t descriptor_id, marking_id; /* of header extensions that tell layers, 0 for none */
    uint8_t audio_level_id;            /* of RFC 6464, 0 for none */
    level_t level;
    bool held; /* it is forwarded to nobody for now */
    structure_t *structure; /* the newest of the dependency descriptor, NULL before the first */
    uint32_t active; /* the decode targets that are sent */
    uint64_t layer_bytes[COUNTED_LAYERS][COUNTED_LAYERS]; /* by spatial and temporal layer */
    reception_t reception;
    uint64_t keyframes;
    bool had_keyframe;
    uint32_t keyframe_timestamp;
    bool has_rtx;
    uint32_t rtx_ssrc;
    uint8_t rtx_payload_types[128]; /* of what RTX repeats; NO_PAYLOAD_TYPE for what is no RTX */
    nack_t *missing;                /* NULL where the publisher answers no NACK */
    bool gapped;                    /* it is in the plane's list of gaps */
    bool keeps;                     /* a route may need its packets again */
    history_t *history;             /* by extended number; NULL before the first */
    uint64_t nacks, requested, recovered, rtx_packets, rtx_bytes;
    route_t **routes;
    size_t route_count, route_room;
    /* Packets of the batch that is being read, not forwarded yet. */
    packet_t pending[BATCH];
    size_t pending_count;
} source_t;

typedef struct transport {
    int64_t id;
    bool addressed; /* address is where to send */
    address_t address;
    address_t addresses[MAX_ADDRESSES + 1]; /* the newest last */
    size_t address_count;
    void *receive; /* SRTP session, NULL before DTLS */
    sending_keys_t send;
    source_t **sources;
    size_t source_count, source_room;
    route_t **routes; /* that go to it */
    size_t route_count, route_room;
    double round_trip_time;
    uint32_t strangers[MAX_STRANGERS + 1]; /* the oldest first */
    size_t stranger_count;
    uint32_t ssrc; /* the server's, in RTCP that the plane makes */
    arrivals_t *arrivals; /* of what it sends, NULL without transport-wide numbers; under `receiving` */
    sent_t *sent;         /* of what it gets, NULL without; under `sending` */
    running_probe_t probe; /* of the link to it; under `sending` */
    /* Sessions and what they protect belong to one thread at a time. */
    pthread_mutex_t receiving, sending;
} transport_t;

typedef enum punt_kind {
    PUNT_STUN,
    PUNT_DTLS,
    PUNT_RTCP,
    PUNT_UNKNOWN_SSRC,
    PUNT_KEYFRAME,
    PUNT_REPAIR_FAILED,
} punt_kind_t;

/* One item of a NACK (RFC 4585 section 6.2.1). */
typedef struct request {
    route_t *route;
    uint16_t first, mask;
    bool begins; /* a NACK */
} request_t;

typedef struct punt {
    struct punt *next;
    punt_kind_t kind;
    bool has_address;
    address_t address;
    int64_t transport, source; /* ids, NO_ROW for none */
    size_t size;
    uint8_t data[];
} punt_t;

/* A datagram kept in memory, for planes without a socket. */
typedef struct kept {
    struct kept *next;
    address_t address;
    size_t size;
    uint8_t data[];
} kept_t;

/* What one thread does; only it writes here, but for the counters of the control side. */
typedef struct lane {
    struct plane *plane;
    out_t out;
    uint64_t drops[DROP_COUNT];
    uint64_t feedbacks; /* messages to publishers */
    source_t *dirty[BATCH]; /* sources with pending packets, in the order of their first one */
    size_t dirty_count;
    transport_t *held[BATCH]; /* transports whose `receiving` this lane holds until it has forwarded */
    size_t held_count;
    request_t requests[MAX_REQUESTS];
    size_t request_count;
    uint64_t repairs[REPAIR_COUNT];
    bool punted; /* since the last time that Python was told */
} lane_t;

typedef struct plane {
    srtp_t srtp;
    address_table_t addresses;
    pthread_rwlock_t lock; /* lanes hold it for reading while they work, the control side for writing */
    pthread_mutex_t punt_lock;
    punt_t *punts, **punts_end;
    size_t punt_count;
    /* By which of our addresses the newest senders of STUN reach us: their answers leave by it, and what is bound
     * to them. On a host with several the kernel may choose another. Written under punt_lock. */
    address_t paths[PATHS];
    kept_t *kept, **kept_end;
    history_limits_t limits;
    pthread_mutex_t gap_lock;
    source_t **gaps; /* sources with packets to ask for, or to give up, in the order in which they came */
    size_t gap_count, gap_room; /* the count is read without the lock */
    uint64_t next_ask; /* nanoseconds; atomic */
    pthread_mutex_t probe_lock;
    transport_t **probes; /* those that are probed */
    size_t probe_count, probe_room; /* the count is read without the lock */
    uint64_t next_probe; /* nanoseconds; atomic */
    bool pad; /* make the packets of one frame equal in size */
    lane_t control; /* of the control side: replay, send_rtcp, and receive in memory */
} plane_t;

bool plane_init(plane_t *plane, const srtp_t *srtp, uint64_t seed);
void plane_free(plane_t *plane);
/* In a forked child: locks that threads of the parent may have held are free again, their punts are forgotten. */
void plane_forked(plane_t *plane);

void lane_init(lane_t *lane, plane_t *plane, void (*flush)(out_t *), void *owner);

transport_t *transport_new(int64_t id, uint32_t ssrc);
/* From now on tell the publisher when its packets arrive, or number what the subscriber gets. False where memory
 * is out. */
bool transport_note_arrivals(transport_t *transport);
bool transport_note_sent(transport_t *transport);
void transport_free(transport_t *transport);
bool plane_bind(plane_t *plane, transport_t *transport, const address_t *address);
void plane_unbind(plane_t *plane, transport_t *transport, const address_t *address);
void plane_release_addresses(plane_t *plane, transport_t *transport);

/* NULL where memory is out. */
source_t *source_new(transport_t *transport, int64_t id, uint32_t ssrc, uint32_t clock_rate);
/* Takes it off its transport and its routes, and frees it. */
void plane_remove_source(plane_t *plane, source_t *source);
source_t *transport_source(const transport_t *transport, uint32_t ssrc);

route_t *route_new(transport_t *transport, uint32_t ssrc, uint32_t clock_rate, uint16_t first_sequence);
/* Feed a route from a source, or from nothing. False where memory is out. */
bool route_feed(route_t *route, const feed_t *feed);
/* Feed it so once the source's keyframe has come; until then it goes on with the one that it has. */
bool route_switch(route_t *route, const feed_t *feed);
/* The source, which feeds the route or was to feed it, ends. */
void route_lose(route_t *route, source_t *source);
/* The SSRC on which the publisher repeats packets of the source. */
void source_set_rtx(plane_t *plane, source_t *source, uint32_t ssrc);
/* To be called when its routes have changed: it keeps packets where one of them may need them again. */
void source_settle(source_t *source);
/* Forward nothing of it, or forward it again. */
void source_hold(source_t *source, bool held);
/* What is sent of a packet that a source keeps depends on the offsets of its picture numbers: read them anew. */
void source_read_places(const source_t *source, packet_t *packet);
/* Answer NACKs of the subscriber to what is fed so, by RTX where a payload type has one (NO_PAYLOAD_TYPE for none). */
void feed_repair(feed_t *feed, const route_t *route, bool nack, const uint8_t rtx_payload_types[128]);
void route_pause(route_t *route, bool paused);
void route_free(route_t *route);

/* Take a datagram: punt it, drop it, or keep its packet for lane_forward. It is unprotected in place and has to
 * stay there until then. At most BATCH between two of those. */
void lane_receive(lane_t *lane, uint8_t *data, size_t size, const address_t *address, double now);
/* Forward what lane_receive kept, and flush. */
void lane_forward(lane_t *lane, double now);
/* Forward an unprotected packet, which is changed; false where it is sound and has no source. */
bool lane_replay(lane_t *lane, transport_t *transport, uint8_t *data, size_t size, double now);
/* Send what is due to the transport: feedback about what it sends. Under the plane's lock for writing, or by a
 * lane that holds the transport's `receiving`. */
void lane_tick(lane_t *lane, transport_t *transport, double now);
/* Send what is due to all: NACKs. */
void lane_ask(lane_t *lane, double now);
/* Whether lane_ask is due for one of the lanes that look. */
bool plane_ask_due(plane_t *plane, uint64_t nanoseconds);
/* Whether something is missing. */
static inline bool plane_misses(plane_t *plane) {
    return __atomic_load_n(&plane->gap_count, __ATOMIC_RELAXED) > 0;
}
/* Whether a probe runs. */
static inline bool plane_probes(plane_t *plane) {
    return __atomic_load_n(&plane->probe_count, __ATOMIC_RELAXED) > 0;
}
/* Send what waits in the lane. */
void lane_flush(lane_t *lane);
void lane_send_rtcp(lane_t *lane, transport_t *transport, const uint8_t *data, size_t size);
void lane_send(lane_t *lane, const uint8_t *data, size_t size, const address_t *address);

/* Everything that waits for Python; the caller frees each. */
punt_t *plane_take_punts(plane_t *plane);
kept_t *plane_take_kept(plane_t *plane);
/* The flush of lanes without a socket. */
void plane_keep(out_t *out);

#endif
