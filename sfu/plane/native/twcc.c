#include "twcc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rtp.h"

enum { NOT_RECEIVED, SMALL, LARGE, RESERVED };

#define FIXED 16
#define MAX_RUN 0x1FFF
#define ONE_BIT 14
#define TWO_BIT 7
#define MAX_DELTA 0x7FFF

/* Arrivals */

arrivals_t *arrivals_new(void) {
    arrivals_t *arrivals = malloc(sizeof *arrivals);
    if (!arrivals)
        return NULL;
    memset(arrivals, 0, sizeof *arrivals);
    arrivals->last = -INFINITY;
    for (size_t at = 0; at < ARRIVAL_WINDOW; at++)
        arrivals->ticks[at] = -1;
    return arrivals;
}

static int64_t *slot(arrivals_t *arrivals, int64_t number) {
    return &arrivals->ticks[(uint64_t)number % ARRIVAL_WINDOW];
}

void arrivals_receive(arrivals_t *arrivals, uint16_t number, uint32_t ssrc, double now) {
    int64_t extended = number;
    if (!arrivals->started) {
        arrivals->started = true;
        arrivals->highest = arrivals->base = extended;
    } else {
        int64_t highest = arrivals->highest;
        int ahead = (int16_t)(uint16_t)(number - (uint16_t)highest);
        extended = highest + ahead;
        int64_t oldest = extended - ARRIVAL_WINDOW + 1;
        if (ahead > 0) {
            for (int64_t skipped = highest + 1 > oldest ? highest + 1 : oldest; skipped < extended; skipped++)
                *slot(arrivals, skipped) = -1;
            arrivals->highest = extended;
            if (arrivals->base < oldest)
                arrivals->base = oldest;
        } else if (ahead <= -ARRIVAL_WINDOW || *slot(arrivals, extended) >= 0) {
            return;
        } else if (extended < arrivals->base) {
            /* Told of as lost, perhaps: told of again. */
            arrivals->base = extended;
        }
    }
    *slot(arrivals, extended) = (int64_t)(now / (1.0 / TICKS_PER_SECOND));
    arrivals->media_ssrc = ssrc;
    arrivals->pending = true;
}

/* Status chunks; runs where they are no longer than vectors. */
static uint8_t *write_chunks(const uint8_t *symbols, size_t count, uint8_t *out) {
    for (size_t at = 0; at < count;) {
        size_t end = at + MAX_RUN < count ? at + MAX_RUN : count, stop = at + 1;
        while (stop < end && symbols[stop] == symbols[at])
            stop++;
        size_t run = stop - at, bits = count - at < ONE_BIT ? count - at : ONE_BIT;
        bool large = memchr(symbols + at, LARGE, bits) != NULL;
        uint16_t chunk;
        if (run >= ONE_BIT || stop == count || (large && run >= TWO_BIT)) {
            chunk = (uint16_t)(symbols[at] << 13 | run);
            at = stop;
        } else if (!large) {
            chunk = 0x8000;
            for (size_t place = 0; place < bits; place++)
                chunk |= (uint16_t)(symbols[at + place] << (ONE_BIT - 1 - place));
            at += bits;
        } else {
            chunk = 0xC000;
            size_t pairs = count - at < TWO_BIT ? count - at : TWO_BIT;
            for (size_t place = 0; place < pairs; place++)
                chunk |= (uint16_t)(symbols[at + place] << 2 * (TWO_BIT - 1 - place));
            at += pairs;
        }
        write16(out, chunk);
        out += 2;
    }
    return out;
}

size_t arrivals_next(arrivals_t *arrivals, uint32_t sender_ssrc, uint8_t *out, double now) {
    if (arrivals->pending) {
        arrivals->pending = false;
        arrivals->last = now;
    }
    if (!arrivals->started || arrivals->base > arrivals->highest)
        return 0;
    /* The newest one has come, so there is one. */
    int64_t first = arrivals->base, base = arrivals->base;
    while (*slot(arrivals, first) < 0)
        first++;
    int64_t reference = *slot(arrivals, first) / REFERENCE_TICKS, previous = reference * REFERENCE_TICKS;
    uint8_t symbols[FEEDBACK_PACKETS], deltas[2 * FEEDBACK_PACKETS], *delta = deltas;
    size_t count = 0;
    for (; base <= arrivals->highest && count < FEEDBACK_PACKETS; base++) {
        int64_t ticks = *slot(arrivals, base);
        if (ticks < 0) {
            symbols[count++] = NOT_RECEIVED;
            continue;
        }
        int64_t step = ticks - previous;
        if (step < -MAX_DELTA || step > MAX_DELTA)
            break;
        previous = ticks;
        if (step >= 0 && step <= 255) {
            symbols[count++] = SMALL;
            *delta++ = (uint8_t)step;
        } else {
            symbols[count++] = LARGE;
            write16(delta, (uint16_t)step);
            delta += 2;
        }
    }
    write32(out + 4, sender_ssrc);
    write32(out + 8, arrivals->media_ssrc);
    write16(out + 12, (uint16_t)arrivals->base);
    write16(out + 14, (uint16_t)count);
    write32(out + 16, (uint32_t)((uint64_t)reference << 8) | arrivals->count);
    uint8_t *at = write_chunks(symbols, count, out + 20);
    memcpy(at, deltas, (size_t)(delta - deltas));
    at += delta - deltas;
    while ((at - out) % 4)
        *at++ = 0;
    out[0] = 0x80 | TWCC_FORMAT;
    out[1] = TWCC_PACKET_TYPE;
    write16(out + 2, (uint16_t)((at - out) / 4 - 1));
    arrivals->base = base;
    arrivals->count++;
    return (size_t)(at - out);
}

/* Reading */

static uint8_t next_symbol(feedback_cursor_t *cursor) {
    /* A run may be of no packet. */
    while (!cursor->in_chunk) {
        cursor->pattern = read16(cursor->chunk);
        cursor->chunk += 2;
        cursor->in_chunk = !(cursor->pattern & 0x8000)    ? cursor->pattern & MAX_RUN
                           : !(cursor->pattern & 0x4000) ? ONE_BIT
                                                         : TWO_BIT;
    }
    cursor->in_chunk--;
    cursor->left--;
    if (!(cursor->pattern & 0x8000))
        return (uint8_t)(cursor->pattern >> 13);
    if (!(cursor->pattern & 0x4000))
        return cursor->pattern >> cursor->in_chunk & 1;
    return cursor->pattern >> 2 * cursor->in_chunk & 3;
}

void feedback_begin(const feedback_t *feedback, feedback_cursor_t *cursor) {
    memset(cursor, 0, sizeof *cursor);
    cursor->feedback = feedback;
    cursor->chunk = feedback->chunks;
    cursor->delta = feedback->deltas;
    cursor->left = feedback->count;
}

bool feedback_step(feedback_cursor_t *cursor, bool *received) {
    if (!cursor->left)
        return false;
    uint8_t symbol = next_symbol(cursor);
    *received = symbol != NOT_RECEIVED;
    if (symbol == SMALL) {
        cursor->arrival += *cursor->delta++;
    } else if (symbol == LARGE) {
        cursor->arrival += (int16_t)read16(cursor->delta);
        cursor->delta += 2;
    }
    return true;
}

bool feedback_parse(const uint8_t *body, size_t size, size_t most, feedback_t *feedback) {
    if (size < FIXED)
        return false;
    feedback->base = read16(body + 8);
    feedback->count = read16(body + 10);
    if (!feedback->count || feedback->count > most)
        return false;
    /* The sign is in the upper of 24 bits. */
    feedback->reference = (int32_t)read32(body + 12) >> 8;
    feedback->chunks = body + FIXED;
    feedback->end = body + size;
    const uint8_t *at = feedback->chunks;
    for (size_t told = 0; told < feedback->count; at += 2) {
        if (feedback->end - at < 2)
            return false;
        uint16_t chunk = read16(at);
        told += !(chunk & 0x8000) ? chunk & MAX_RUN : !(chunk & 0x4000) ? ONE_BIT : TWO_BIT;
    }
    feedback->deltas = at;
    /* Nothing of what the steps read later lies outside. */
    feedback_cursor_t cursor;
    feedback_begin(feedback, &cursor);
    size_t bytes = 0;
    while (cursor.left) {
        uint8_t symbol = next_symbol(&cursor);
        if (symbol == RESERVED)
            return false;
        bytes += symbol; /* which is as many as its arrival time takes */
    }
    return bytes <= (size_t)(feedback->end - feedback->deltas);
}
