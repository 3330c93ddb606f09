#include "reception.h"

#include <math.h>
#include <string.h>

static bool test_and_set(reception_t *reception, int64_t extended) {
    uint64_t place = (uint64_t)extended % RECEPTION_WINDOW, bit = (uint64_t)1 << (place % 64);
    bool was = reception->seen[place / 64] & bit;
    reception->seen[place / 64] |= bit;
    return was;
}

static void forget(reception_t *reception, int64_t extended) {
    uint64_t place = (uint64_t)extended % RECEPTION_WINDOW;
    reception->seen[place / 64] &= ~((uint64_t)1 << (place % 64));
}

static void advance(reception_t *reception, int64_t extended) {
    if (extended - reception->highest >= RECEPTION_WINDOW)
        memset(reception->seen, 0, sizeof reception->seen);
    else
        for (int64_t number = reception->highest + 1; number <= extended; number++)
            forget(reception, number);
    reception->highest = extended;
    test_and_set(reception, extended);
}

drop_t reception_receive(
    reception_t *reception,
    uint16_t sequence,
    uint32_t timestamp,
    size_t size,
    bool repeated,
    double now,
    int64_t *extended) {
    int64_t number;
    if (repeated) {
        int32_t ahead = (int16_t)(uint16_t)(sequence - (uint16_t)reception->highest);
        if (!reception->started || ahead >= MAX_DROPOUT || ahead <= -RECEPTION_WINDOW)
            return DROP_SEQUENCE_JUMP;
    }
    if (!reception->started) {
        reception->started = true;
        number = reception->first = reception->highest = sequence;
        test_and_set(reception, number);
    } else {
        int32_t ahead = (int16_t)(uint16_t)(sequence - (uint16_t)reception->highest);
        if (ahead > 0 && ahead < MAX_DROPOUT) {
            number = reception->highest + ahead;
            advance(reception, number);
        } else if (ahead <= 0 && ahead > -RECEPTION_WINDOW) {
            number = reception->highest + ahead;
            if (test_and_set(reception, number))
                return DROP_SRTP_REPLAY;
            if (number < reception->first)
                reception->first = number;
        } else if (!reception->jumped || sequence != reception->expected_after_jump) {
            reception->jumped = true;
            reception->expected_after_jump = (uint16_t)(sequence + 1);
            return DROP_SEQUENCE_JUMP;
        } else {
            /* Always forward, so that an extended number never stands for two packets. */
            number = reception->highest + (uint16_t)(sequence - (uint16_t)reception->highest);
            reception->first += number - reception->highest - 1;
            reception->highest = number;
            memset(reception->seen, 0, sizeof reception->seen);
            test_and_set(reception, number);
            reception->timed = false;
        }
        reception->jumped = false;
    }
    reception->packets++;
    reception->bytes += size;
    reception->last_packet = now;
    *extended = number;
    if (repeated)
        return DROP_NONE;
    double arrival = now * reception->clock_rate;
    if (reception->timed) {
        double transit = arrival - reception->arrival - (int32_t)(timestamp - reception->timestamp);
        reception->jitter += (fabs(transit) - reception->jitter) / 16;
    }
    reception->timed = true;
    reception->arrival = arrival;
    reception->timestamp = timestamp;
    return DROP_NONE;
}
