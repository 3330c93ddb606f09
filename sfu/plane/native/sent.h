/* What was sent to a receiver, and what its transport-wide feedback says of it: the twin of sfu.bwe.sent. */
#ifndef CHATTER_SENT_H
#define CHATTER_SENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delay.h"
#include "twcc.h"

/* Numbers that are remembered; feedback that tells of more packets is refused. A power of two. */
#define SENT_WINDOW 2048
/* Bytes of the headers of IPv4 and UDP. */
#define SENT_OVERHEAD 28

typedef struct probe_state {
    uint32_t id;
    uint32_t packets_sent, bytes_sent;
    double first_sent, last_sent;
    uint32_t size_last_sent;
    uint32_t packets_received, bytes_received;
    double first_received, last_received;
    uint32_t size_first_received;
    bool done;
} probe_state_t;

typedef enum sent_status { SENT_NOTHING, SENT_WAITS, SENT_LOST, SENT_ACKNOWLEDGED } sent_status_t;

typedef struct sent_record {
    double time;
    uint32_t probe;
    uint16_t size;
    uint8_t status;
} sent_record_t;

typedef struct bandwidth_state {
    uint64_t packets_sent, bytes_sent, packets_acknowledged, bytes_acknowledged;
    int64_t packets_lost;
    uint64_t feedbacks;
    double last_feedback, last_arrival, round_trip_time, queue_delay;
} bandwidth_state_t;

typedef struct sent {
    int64_t next; /* extended */
    int64_t newest_acknowledged;
    bool has_reference, has_least, has_former_least;
    int64_t reference; /* unwrapped */
    double epoch, least, former_least;
    bandwidth_state_t state;
    probe_state_t probe;
    delay_t delay;
    sent_record_t records[SENT_WINDOW];
} sent_t;

/* NULL where memory is out. */
sent_t *sent_new(void);
/* A packet with the number `next` was sent; `size` bytes of SRTP. */
void sent_packet(sent_t *sent, size_t size, double now);
void sent_feedback(sent_t *sent, const feedback_t *message, double now);

#endif
