/* Which packets of a stream are missing, and when to ask its sender for them (RFC 4585 section 6.2.1). The rules and
 * their reasons are in sfu/streams/nack.py. */
#ifndef CHATTER_NACK_H
#define CHATTER_NACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_MISSING 256
#define MAX_AGE_VIDEO 1.0
#define MAX_AGE_AUDIO 0.3

typedef struct missing {
    int64_t number; /* extended */
    double seen, sent;
    uint8_t tries;
} missing_t;

typedef struct nack {
    double max_age;
    bool started, had_keyframe;
    bool unrepaired; /* something was given up that no keyframe has made good; the caller clears it */
    bool timed;      /* round_trip_time is known */
    int64_t highest, keyframe;
    double round_trip_time;
    uint64_t given_up;
    size_t count;
    missing_t items[MAX_MISSING]; /* ascending */
} nack_t;

/* A packet came; whether it had been asked for. */
bool nack_received(nack_t *nack, int64_t number, double now);
/* A keyframe begins with this packet. */
void nack_keyframe(nack_t *nack, int64_t number);
/* Write the numbers to ask for now, which count as asked for; how many there are. Gives up what is too late. */
size_t nack_due(nack_t *nack, double now, double round_trip_time, int64_t numbers[MAX_MISSING]);

#endif
