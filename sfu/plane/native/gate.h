/* Which packets of a source a route lets through, so that what it sends can be decoded at any time. */
#ifndef CHATTER_GATE_H
#define CHATTER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "layering.h"

/* A limit above any layer. */
#define ALL_LAYERS 255
/* Frames of a dependency descriptor of which it is remembered whether they were let through. */
#define GATE_FRAMES 256

typedef struct gate {
    uint8_t spatial_limit, temporal_limit;
    uint8_t spatial, temporal; /* what is sent */
    bool timed; /* timestamp is that of the newest picture */
    uint32_t timestamp;
    int8_t target; /* decode target, -1 for none */
    bool framed;   /* frame is that of the newest packet */
    bool counted;  /* highest_frame holds */
    uint16_t frame, highest_frame;
    uint64_t frames[GATE_FRAMES / 64]; /* bit (frame number mod frames): let through */
} gate_t;

void gate_init(gate_t *gate);
/* Forget the stream before: what comes next can be decoded by itself. */
void gate_start(gate_t *gate);
/* Whether the packet is to be sent. `starts`: decoding can start at it. `newest`: none of the source's packets
 * with a higher number was here before. `structure`: by which the decode targets were read. */
bool gate_passes(
    gate_t *gate,
    const layering_t *layering,
    const structure_t *structure,
    uint32_t timestamp,
    bool starts,
    bool newest);

/* Whether a packet that passes is the last one of its picture that does. */
static inline bool gate_ends_picture(const gate_t *gate, const layering_t *layering) {
    return layering->ends && layering->spatial == gate->spatial;
}

#endif
