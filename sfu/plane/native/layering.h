/* What a packet says of its place among the layers of its stream, whatever its codec. */
#ifndef CHATTER_LAYERING_H
#define CHATTER_LAYERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dependency.h"

/* The codecs that tell their layers; see codec_t. */
typedef struct layering {
    uint8_t spatial, temporal;
    bool begins, ends;   /* the first, the last packet of a layer's frame */
    bool synchronizes;   /* depends on the base layer alone: its temporal layer can start here */
    bool switches_up;    /* higher temporal layers depend on nothing of theirs before this frame */
    bool independent;    /* predicted from no earlier picture */
    bool contiguous;     /* picture ids count what was sent: one dropped on purpose must leave no gap */
    bool has_targets;    /* present, switches, active and dependencies hold */
    bool has_frame;      /* frame_number holds */
    uint8_t picture_bits; /* 7 or 15, 0 where there is no picture id */
    uint8_t tl0;
    uint8_t descriptor_id; /* of the header extension, where there is a frame number */
    uint16_t picture;
    uint16_t picture_at, tl0_at; /* offsets into the packet, 0 for none */
    uint16_t frame_number;
    uint32_t present, switches, active;
    dependencies_t dependencies;
} layering_t;

/* The payload from `start` to `end` of the packet. False where the descriptor reaches past it. */
bool layering_vp8(const uint8_t *packet, size_t start, size_t end, layering_t *layering);
bool layering_vp9(const uint8_t *packet, size_t start, size_t end, layering_t *layering);
/* RFC 9626: the data of the header extension. */
bool layering_marking(const uint8_t *data, size_t size, layering_t *layering);
void layering_descriptor(const descriptor_t *descriptor, layering_t *layering);

#endif
