/* How loud a source has been, by the audio level of its packets (RFC 6464). As sfu/plane/level.py has it. */
#ifndef CHATTER_LEVEL_H
#define CHATTER_LEVEL_H

#include <stddef.h>
#include <stdint.h>

/* -dBov up to which a packet counts as audible. */
#define AUDIBLE_LEVEL 50

typedef struct level {
    uint64_t packets, audible, total;
} level_t;

/* Count the data of a packet's header extension. What tells no level is left out. */
void level_note(level_t *level, const uint8_t *data, size_t size);

#endif
