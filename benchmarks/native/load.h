/* What clients of a benchmark do with media: send it on a schedule, and count what arrives. */
#ifndef CHATTER_LOAD_H
#define CHATTER_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef int (*srtp_process_t)(void *session, void *packet, int *size);

#define MAX_BURST 64
#define MAX_PACKET 1500
/* Streams that one sink can tell apart. */
#define MAX_STREAMS 256
/* Newest latencies kept: those beyond it in one window are counted, not kept. */
#define MAX_SAMPLES (1 << 21)
/* Where a payload's time of sending begins: after what a VP8 keyframe begins with. */
#define STAMP_AT 11

typedef struct stream {
    uint32_t ssrc;
    uint32_t packets, highest, first; /* extended sequence numbers */
} stream_t;

typedef struct sink {
    int fd;
    void *session; /* unprotects, for latency; NULL: headers only */
    size_t stream_count;
    stream_t streams[MAX_STREAMS];
} sink_t;

typedef struct source {
    int fd;
    void *session;
    uint64_t period, next; /* ns */
    uint32_t ssrc, timestamp, timestamp_step, keyframe_every, bursts;
    uint16_t sequence;
    uint8_t payload_type;
    bool video;
    int burst, size; /* packets; bytes of an RTP packet */
} source_t;

typedef struct counters {
    uint64_t sent, received, rtcp, other, errors;
    uint64_t expected, missing; /* by gaps of the sequence numbers */
    uint64_t samples;           /* of latency, kept or not */
    uint64_t bursts, late;      /* sent, and of them a millisecond or more after their time */
} counters_t;

typedef struct load load_t;

/* `whole_runs`: what a server sent by UDP_SEGMENT reaches a sink in one piece (UDP_GRO). */
load_t *load_new(void *protect, void *unprotect, size_t sinks, size_t sources, int whole_runs);
/* Both return 0, or -1 when there is no room. `fd` is connected, and stays the caller's. */
int load_sink(load_t *load, int fd, void *session);
int load_source(load_t *load, int fd, void *session, uint32_t ssrc, int payload_type, int size, int burst,
                uint64_t period_ns, uint64_t phase_ns, int video);
/* Begin; what is added later joins in. 0, or an errno. */
int load_start(load_t *load);
/* Sources rest, or go on. */
void load_pause(load_t *load, int paused);
/* A window of time begins: its counters are zero. */
void load_mark(load_t *load);
void load_read(load_t *load, counters_t *counters);
/* The latencies of the window in ns, at most `room` of them; returns how many. */
size_t load_samples(load_t *load, int64_t *samples, size_t room);
void load_stop(load_t *load);
void load_free(load_t *load);

/* The least that forwarding costs: `bursts` times, one per period, protect `burst` packets for each of `count`
 * addresses and send them. */
typedef struct floor_run {
    int fd, count, burst, size, bursts;
    int protect, send, segment; /* what is done; segment: by UDP_SEGMENT */
    uint64_t period_ns;
    void **sessions;
    struct sockaddr_storage *addresses;
    socklen_t address_length;
    uint64_t cpu_ns, packets; /* out */
} floor_run_t;

int floor_measure(void *protect, floor_run_t *run);

#endif
