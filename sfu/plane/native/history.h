/* Packets that were sent lately, to send them again: bounded in time, per stream and in all. The rules and their
 * reasons are in sfu/streams/history.py. */
#ifndef CHATTER_HISTORY_H
#define CHATTER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_INITIAL_BYTES (16u << 10)
#define HISTORY_MAX_BYTES (4u << 20)
#define HISTORY_PLACES 1024

/* What all histories of a plane share. */
typedef struct history_limits {
    double seconds;
    uint64_t max_bytes;
    uint64_t used_bytes; /* atomic: streams are written by several lanes */
} history_limits_t;

typedef struct history_place {
    int64_t number; /* extended */
    double at;
    uint32_t lap, offset;
    uint16_t size; /* 0 where there is nothing */
} history_place_t;

typedef struct history {
    history_limits_t *limits;
    uint8_t *bytes;
    uint32_t capacity, head, lap;
    double began;
    history_place_t places[HISTORY_PLACES];
} history_t;

/* NULL where memory is out. */
history_t *history_new(history_limits_t *limits);
/* Takes NULL too. */
void history_free(history_t *history);
/* Keep a packet of at most MAX_DATAGRAM bytes, if there is room. */
void history_put(history_t *history, int64_t number, const uint8_t *data, size_t size, double now);
/* A packet that is still kept, NULL for one that is not. It stays until the next history_put. */
uint8_t *history_get(const history_t *history, int64_t number, double now, size_t *size);

#endif
