#include "history.h"

#include <stdlib.h>
#include <string.h>

#define SLACK 4

static bool take(history_limits_t *limits, uint64_t count) {
    uint64_t used = __atomic_add_fetch(&limits->used_bytes, count, __ATOMIC_RELAXED);
    if (used <= limits->max_bytes)
        return true;
    __atomic_sub_fetch(&limits->used_bytes, count, __ATOMIC_RELAXED);
    return false;
}

static void give(history_limits_t *limits, uint64_t count) {
    __atomic_sub_fetch(&limits->used_bytes, count, __ATOMIC_RELAXED);
}

history_t *history_new(history_limits_t *limits) {
    history_t *history = calloc(1, sizeof *history);
    if (history)
        history->limits = limits;
    return history;
}

void history_free(history_t *history) {
    if (!history)
        return;
    give(history->limits, history->capacity);
    free(history->bytes);
    free(history);
}

/* False where it cannot grow. */
static bool resize(history_t *history, uint32_t capacity) {
    uint32_t former = history->capacity;
    if (capacity > former && !take(history->limits, capacity - former))
        return false;
    uint8_t *bytes = realloc(history->bytes, capacity);
    if (!bytes) {
        if (capacity > former)
            give(history->limits, capacity - former);
        return false;
    }
    if (capacity < former)
        give(history->limits, former - capacity);
    history->bytes = bytes;
    history->capacity = capacity;
    return true;
}

/* The end of the ring is reached: it grows where it would turn too soon, else it turns. */
static void turn(history_t *history, double now) {
    double age = now - history->began, seconds = history->limits->seconds;
    if (age < seconds) {
        if (history->capacity < HISTORY_MAX_BYTES && resize(history, history->capacity * 2))
            return;
    } else if (age > SLACK * seconds && history->capacity > HISTORY_INITIAL_BYTES) {
        resize(history, history->capacity / 2);
    }
    history->head = 0;
    history->lap++;
    history->began = now;
}

void history_put(history_t *history, int64_t number, const uint8_t *data, size_t size, double now) {
    if (!history->capacity) {
        if (!resize(history, HISTORY_INITIAL_BYTES))
            return;
        history->began = now;
    }
    if (history->head + size > history->capacity)
        turn(history, now);
    history_place_t *place = &history->places[(uint64_t)number % HISTORY_PLACES];
    *place = (history_place_t){
        .number = number,
        .at = now,
        .lap = history->lap,
        .offset = history->head,
        .size = (uint16_t)size,
    };
    memcpy(history->bytes + history->head, data, size);
    history->head += (uint32_t)size;
}

uint8_t *history_get(const history_t *history, int64_t number, double now, size_t *size) {
    const history_place_t *place = &history->places[(uint64_t)number % HISTORY_PLACES];
    if (!place->size || place->number != number || now - place->at > history->limits->seconds)
        return NULL;
    bool fresh = place->lap == history->lap || (place->lap + 1 == history->lap && place->offset >= history->head);
    if (!fresh || place->offset + place->size > history->capacity)
        return NULL;
    *size = place->size;
    return history->bytes + place->offset;
}
