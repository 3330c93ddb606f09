/* Does a queue grow on the way to a receiver? The twin of sfu.bwe.delay, which says where it comes from. */
#ifndef CHATTER_DELAY_H
#define CHATTER_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define DELAY_WINDOW 20

typedef enum usage { USAGE_NORMAL, USAGE_OVERUSING, USAGE_UNDERUSING } usage_t;

/* All times in milliseconds. */
typedef struct delay {
    /* Groups of packets sent together. */
    bool has_current, has_previous;
    int reordered;
    double first_sent, sent, first_arrival, arrival, noted;
    double previous_sent, previous_arrival, previous_noted;
    /* The trend, and the threshold it is held against. */
    int deltas;
    double trend_origin, accumulated, smoothed;
    double xs[DELAY_WINDOW], ys[DELAY_WINDOW]; /* the oldest first */
    int count;
    double previous_slope, threshold;
    bool adapted, over;
    double adapted_at, over_time;
    int over_count;
    double trend;
    usage_t usage;
    uint32_t overuses;
} delay_t;

void delay_init(delay_t *delay);
/* Forget everything, as after a silence. */
void delay_reset(delay_t *delay);
void delay_add(delay_t *delay, double sent, double arrival, double now);

#endif
