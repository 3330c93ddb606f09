/* What is known of one incoming stream (RFC 3550 appendix A.1, A.3, A.8). */
#ifndef CHATTER_RECEPTION_H
#define CHATTER_RECEPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop.h"

/* Packets that can be behind the newest and still new: the replay window of the receiving SRTP session. */
#define RECEPTION_WINDOW 1024
/* A gap of this many sequence numbers is no loss but a restart (RFC 3550 appendix A.1). */
#define MAX_DROPOUT 3000

typedef struct reception {
    uint32_t clock_rate;
    bool started;
    bool jumped; /* the last packet was far off; expected_after_jump would confirm it */
    bool timed;  /* arrival and timestamp are of the last packet */
    uint16_t expected_after_jump;
    uint32_t timestamp;
    int64_t first, highest; /* extended */
    uint64_t packets, bytes;
    double jitter; /* timestamp units */
    double last_packet;
    double arrival; /* timestamp units */
    uint64_t seen[RECEPTION_WINDOW / 64]; /* bit (extended mod window): received */
} reception_t;

/* Count a packet. Sets `extended` and returns DROP_NONE, or says why it does not count. One that was `repeated` on its
 * sender's RTX stream tells nothing of jitter, and restarts nothing. */
drop_t reception_receive(
    reception_t *reception,
    uint16_t sequence,
    uint32_t timestamp,
    size_t size,
    bool repeated,
    double now,
    int64_t *extended);

#endif
