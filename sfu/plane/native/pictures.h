/* The numbers within descriptors that a route keeps continuous: picture ids, TL0PICIDX, frame numbers. Each is
 * the source's number plus an offset, which a start sets so that the count goes on. VP8's picture ids also close
 * up where pictures are dropped on purpose; those of VP9, and the frame numbers of dependency descriptors, tell
 * what a frame is predicted from, and so keep their distances. */
#ifndef CHATTER_PICTURES_H
#define CHATTER_PICTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "layering.h"
#include "number_map.h"

typedef struct pictures {
    number_map_t ids;
    uint8_t tl0_offset;
    uint16_t frame_offset;
    bool ids_started, tl0_started, frames_started;
    /* Of the newest packet sent. */
    bool had_id, had_tl0, had_frame;
    int64_t last_id; /* extended */
    uint8_t last_tl0;
    uint16_t last_frame;
} pictures_t;

/* What a packet is sent with. */
typedef struct picture_numbers {
    uint16_t id;
    uint8_t tl0;
    uint16_t frame;
} picture_numbers_t;

/* What comes next follows the newest that was sent, whatever its own numbers are. */
void pictures_start(pictures_t *pictures);
/* The numbers of a packet that is to be sent. `restarts`: it is the newest and decoding can start at it. */
picture_numbers_t pictures_of(pictures_t *pictures, const layering_t *layering, bool restarts);
/* A packet, the newest of its source, was sent, or is dropped on purpose. */
void pictures_sent(pictures_t *pictures, const layering_t *layering);
void pictures_drop(pictures_t *pictures, const layering_t *layering);
/* Whether others of the packet's picture were dropped on purpose. */
bool pictures_dropped(const pictures_t *pictures, const layering_t *layering);

#endif
