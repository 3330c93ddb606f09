/* What a batch sends: packets side by side in one arena, in the order in which they were made. */
#ifndef CHATTER_OUT_H
#define CHATTER_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "rtp.h"

/* Flushed at this many packets: what they take stays in the L2 cache between protecting and sending. */
#define OUT_PACKETS 64
#define OUT_BYTES ((OUT_PACKETS + 1) * (MAX_DATAGRAM + MAX_SRTCP_TRAILER))

typedef struct out_packet {
    const address_t *address; /* of a row, which lives as long as the batch */
    uint32_t offset;
    uint16_t size;
} out_packet_t;

struct plane;

typedef struct out {
    out_packet_t packets[OUT_PACKETS];
    size_t count;
    size_t used; /* bytes of the arena */
    uint8_t arena[OUT_BYTES];
    /* Sends or keeps everything, and empties. */
    void (*flush)(struct out *out);
    struct plane *plane;
    void *owner; /* of the flush: a plane thread, or the plane where datagrams are kept in memory */
} out_t;

/* Room for one more packet of up to MAX_DATAGRAM bytes and its trailer; flushes where there is none. */
static inline uint8_t *out_room(out_t *out) {
    if (out->count == OUT_PACKETS || out->used + MAX_DATAGRAM + MAX_SRTCP_TRAILER > OUT_BYTES)
        out->flush(out);
    return out->arena + out->used;
}

/* Take the packet of `size` bytes that was written to out_room. */
static inline void out_push(out_t *out, const address_t *address, size_t size) {
    out->packets[out->count++] =
        (out_packet_t){.address = address, .offset = (uint32_t)out->used, .size = (uint16_t)size};
    out->used += size;
}

#endif
