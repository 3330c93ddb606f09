/* A probe that runs: padding that fills what is sent up to a rate. The twin of sfu.plane.probe. */
#ifndef CHATTER_PROBE_H
#define CHATTER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct lane;
struct plane;
struct transport;

/* Packets of padding that one look sends to a subscriber, and the bytes of each. */
#define MAX_PADDING_AT_ONCE 64
#define PADDING 255
/* Seconds between two looks of the lanes, and probing transports that are looked at at once. */
#define PROBE_INTERVAL 0.0015
#define MAX_PROBES 64

typedef struct running_probe {
    bool runs;
    double bitrate, duration, began; /* bits per second, seconds */
} running_probe_t;

/* Begin a probe, and send what is due at once: under the plane's lock for writing, on the control lane. False where
 * no route can carry padding, or memory is out. */
bool lane_begin_probe(
    struct lane *lane, struct transport *transport, uint32_t id, double bitrate, double duration, double now);
/* Send what is due for all probes. */
void lane_probe(struct lane *lane, double now);
/* Whether lane_probe is due for one of the lanes that look. */
bool plane_probe_due(struct plane *plane, uint64_t nanoseconds);
/* The transport ends: under the plane's lock for writing. */
void plane_end_probe(struct plane *plane, struct transport *transport);

#endif
