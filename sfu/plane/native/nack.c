#include "nack.h"

#include <string.h>

#include "reception.h"
#include "route.h"

#define REORDER_WAIT 0.01
#define MIN_RETRY 0.02
#define RETRY_ROUND_TRIPS 1.25
#define MAX_TRIES 10
#define GAIN 0.25

static void give_up(nack_t *nack, int64_t number) {
    nack->given_up++;
    if (!nack->had_keyframe || number >= nack->keyframe)
        nack->unrepaired = true;
}

static void miss(nack_t *nack, int64_t start, int64_t stop, double now) {
    int64_t gap = stop - start;
    if (gap >= MAX_MISSING) {
        nack->given_up += nack->count + (gap < MAX_DROPOUT ? (uint64_t)gap : 0);
        nack->unrepaired = true;
        nack->count = 0;
        return;
    }
    size_t over = nack->count + (size_t)gap > MAX_MISSING ? nack->count + (size_t)gap - MAX_MISSING : 0;
    for (size_t at = 0; at < over; at++)
        give_up(nack, nack->items[at].number);
    nack->count -= over;
    memmove(nack->items, nack->items + over, nack->count * sizeof *nack->items);
    for (int64_t number = start; number < stop; number++)
        nack->items[nack->count++] = (missing_t){.number = number, .seen = now};
}

static bool strike(nack_t *nack, int64_t number, double now) {
    size_t at = 0;
    while (at < nack->count && nack->items[at].number < number)
        at++;
    if (at == nack->count || nack->items[at].number != number)
        return false;
    missing_t item = nack->items[at];
    nack->count--;
    memmove(nack->items + at, nack->items + at + 1, (nack->count - at) * sizeof *nack->items);
    if (!item.tries)
        return false;
    if (item.tries == 1) {
        double sample = now - item.sent;
        nack->round_trip_time =
            nack->timed ? nack->round_trip_time + GAIN * (sample - nack->round_trip_time) : sample;
        nack->timed = true;
    }
    return true;
}

bool nack_received(nack_t *nack, int64_t number, double now) {
    if (!nack->started) {
        nack->started = true;
        nack->highest = number;
        return false;
    }
    if (number <= nack->highest)
        return nack->count && strike(nack, number, now);
    int64_t first = nack->highest + 1;
    nack->highest = number;
    if (first < number)
        miss(nack, first, number, now);
    return false;
}

void nack_keyframe(nack_t *nack, int64_t number) {
    if (!nack->had_keyframe || number > nack->keyframe) {
        nack->had_keyframe = true;
        nack->keyframe = number;
    }
}

static void expire(nack_t *nack, double now) {
    int64_t oldest = nack->highest - SEND_WINDOW;
    size_t kept = 0;
    for (size_t at = 0; at < nack->count; at++) {
        const missing_t *item = &nack->items[at];
        if (item->number <= oldest || now - item->seen >= nack->max_age ||
            (item->tries >= MAX_TRIES && now - item->sent >= MIN_RETRY))
            give_up(nack, item->number);
        else
            nack->items[kept++] = *item;
    }
    nack->count = kept;
}

size_t nack_due(nack_t *nack, double now, double round_trip_time, int64_t numbers[MAX_MISSING]) {
    expire(nack, now);
    double interval = RETRY_ROUND_TRIPS * (nack->timed ? nack->round_trip_time : round_trip_time);
    if (interval < MIN_RETRY)
        interval = MIN_RETRY;
    size_t due = 0;
    for (size_t at = 0; at < nack->count; at++) {
        missing_t *item = &nack->items[at];
        if (item->tries ? now - item->sent >= interval : now - item->seen >= REORDER_WAIT) {
            item->tries++;
            item->sent = now;
            numbers[due++] = item->number;
        }
    }
    return due;
}
