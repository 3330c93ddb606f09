/* Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1): what sfu.wire.twcc
 * reads and writes, and what sfu.streams.arrivals keeps. */
#ifndef CHATTER_TWCC_H
#define CHATTER_TWCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TWCC_PACKET_TYPE 205
#define TWCC_FORMAT 15
/* Arrival times are in steps of 250 us; the reference time in 64 ms. */
#define TICKS_PER_SECOND 4000
#define REFERENCE_TICKS 256

/* Numbers that are remembered: older ones are not told of any more. A power of two. */
#define ARRIVAL_WINDOW 1024
/* Seconds between messages while packets come. */
#define FEEDBACK_INTERVAL 0.05
/* That one message tells of: with two bytes for each arrival it stays below any path's MTU. */
#define FEEDBACK_PACKETS 400
/* More than the largest message: header, fixed part, chunks of 7 packets, arrivals of 2 bytes. */
#define FEEDBACK_BYTES (20 + 2 * (FEEDBACK_PACKETS / 7 + 2) + 2 * FEEDBACK_PACKETS + 4)

typedef struct arrivals {
    bool started, pending; /* pending: something has come since the last message */
    int64_t highest, base; /* extended; base is what the next message begins with */
    double last;           /* message */
    uint32_t media_ssrc;
    uint8_t count;
    int64_t ticks[ARRIVAL_WINDOW]; /* -1 for what has not come */
} arrivals_t;

/* NULL where memory is out. */
arrivals_t *arrivals_new(void);
void arrivals_receive(arrivals_t *arrivals, uint16_t number, uint32_t ssrc, double now);
static inline bool arrivals_due(const arrivals_t *arrivals, double now) {
    return arrivals->pending && now - arrivals->last >= FEEDBACK_INTERVAL;
}
/* Write the next message; its size, at most FEEDBACK_BYTES, or 0 where all has been told. */
size_t arrivals_next(arrivals_t *arrivals, uint32_t sender_ssrc, uint8_t *out, double now);

/* A message being read. */
typedef struct feedback {
    uint16_t base, count;
    int32_t reference; /* signed, 24 bits */
    const uint8_t *chunks, *deltas, *end;
} feedback_t;

/* Read the body of a message, without header and padding. False where it is malformed, or tells of more than
 * `most` packets. */
bool feedback_parse(const uint8_t *body, size_t size, size_t most, feedback_t *feedback);

/* The status of one packet after the other. */
typedef struct feedback_cursor {
    const feedback_t *feedback;
    const uint8_t *chunk, *delta;
    uint16_t left;    /* packets */
    uint16_t pattern; /* of the chunk that is being read */
    uint16_t in_chunk;
    int64_t arrival; /* steps after the reference time */
} feedback_cursor_t;

void feedback_begin(const feedback_t *feedback, feedback_cursor_t *cursor);
/* False after the last one. `received`: it has come, at `arrival` of the cursor. */
bool feedback_step(feedback_cursor_t *cursor, bool *received);

#endif
