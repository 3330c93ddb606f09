#include "delay.h"

#include <math.h>
#include <string.h>

#define GROUP_LENGTH 5.0
#define BURST_GAP 5.0
#define BURST_LENGTH 100.0
#define CLOCK_JUMP 3000.0
#define REORDERED 3
#define SMOOTHING 0.9
#define GAIN 4.0
#define MAX_DELTAS 60
#define INITIAL_THRESHOLD 12.5
#define MIN_THRESHOLD 6.0
#define MAX_THRESHOLD 600.0
#define UP 0.0087
#define DOWN 0.039
#define PEAK 15.0
#define MAX_STEP 100.0
#define OVERUSE_TIME 10.0

void delay_reset(delay_t *delay) {
    uint32_t overuses = delay->overuses;
    memset(delay, 0, sizeof *delay);
    delay->overuses = overuses;
    delay->threshold = INITIAL_THRESHOLD;
}

void delay_init(delay_t *delay) {
    delay->overuses = 0;
    delay_reset(delay);
}

static void adapt(delay_t *delay, double arrival) {
    double adapted_at = delay->adapted ? delay->adapted_at : arrival;
    delay->adapted = true;
    delay->adapted_at = arrival;
    double size = fabs(delay->trend);
    if (size > delay->threshold + PEAK)
        return;
    double rate = size < delay->threshold ? DOWN : UP;
    double step = fmin(fmax(arrival - adapted_at, 0.0), MAX_STEP);
    double threshold = delay->threshold + rate * (size - delay->threshold) * step;
    delay->threshold = fmin(fmax(threshold, MIN_THRESHOLD), MAX_THRESHOLD);
}

static void detect(delay_t *delay, double slope, double send_delta, double arrival) {
    if (delay->deltas < 2)
        return;
    delay->trend = (delay->deltas < MAX_DELTAS ? delay->deltas : MAX_DELTAS) * slope * GAIN;
    if (delay->trend > delay->threshold) {
        delay->over_time = delay->over ? delay->over_time + send_delta : send_delta / 2;
        delay->over = true;
        delay->over_count++;
        if (delay->over_time > OVERUSE_TIME && delay->over_count > 1 && slope >= delay->previous_slope) {
            delay->over_time = 0.0;
            delay->over_count = 0;
            delay->usage = USAGE_OVERUSING;
            delay->overuses++;
        }
    } else {
        delay->over = false;
        delay->over_count = 0;
        delay->usage = delay->trend < -delay->threshold ? USAGE_UNDERUSING : USAGE_NORMAL;
    }
    delay->previous_slope = slope;
    adapt(delay, arrival);
}

static double fit(const delay_t *delay) {
    double mean_x = 0.0, mean_y = 0.0, numerator = 0.0, denominator = 0.0;
    for (int at = 0; at < DELAY_WINDOW; at++) {
        mean_x += delay->xs[at];
        mean_y += delay->ys[at];
    }
    mean_x /= DELAY_WINDOW;
    mean_y /= DELAY_WINDOW;
    for (int at = 0; at < DELAY_WINDOW; at++) {
        numerator += (delay->xs[at] - mean_x) * (delay->ys[at] - mean_y);
        denominator += (delay->xs[at] - mean_x) * (delay->xs[at] - mean_x);
    }
    return denominator != 0.0 ? numerator / denominator : delay->previous_slope;
}

static void update(delay_t *delay, double send_delta, double arrival_delta, double arrival) {
    if (!delay->deltas)
        delay->trend_origin = arrival;
    if (delay->deltas < 1000)
        delay->deltas++;
    delay->accumulated += arrival_delta - send_delta;
    delay->smoothed = SMOOTHING * delay->smoothed + (1 - SMOOTHING) * delay->accumulated;
    if (delay->count == DELAY_WINDOW) {
        memmove(delay->xs, delay->xs + 1, sizeof delay->xs - sizeof *delay->xs);
        memmove(delay->ys, delay->ys + 1, sizeof delay->ys - sizeof *delay->ys);
        delay->count--;
    }
    delay->xs[delay->count] = arrival - delay->trend_origin;
    delay->ys[delay->count++] = delay->smoothed;
    detect(delay, delay->count == DELAY_WINDOW ? fit(delay) : delay->previous_slope, send_delta, arrival);
}

static bool is_next(const delay_t *delay, double sent, double arrival) {
    double send_gap = sent - delay->sent, arrival_gap = arrival - delay->arrival;
    if (send_gap == 0)
        return false;
    /* A burst: it waited somewhere, and came out at once. */
    if (arrival_gap - send_gap < 0 && arrival_gap <= BURST_GAP && arrival - delay->first_arrival < BURST_LENGTH)
        return false;
    return sent - delay->first_sent > GROUP_LENGTH;
}

static void begin(delay_t *delay, double sent, double arrival) {
    delay->has_current = true;
    delay->first_sent = delay->sent = sent;
    delay->first_arrival = arrival;
}

static void forget_groups(delay_t *delay) {
    delay->has_current = delay->has_previous = false;
    delay->reordered = 0;
}

void delay_add(delay_t *delay, double sent, double arrival, double now) {
    bool complete = false;
    double send_delta = 0.0, arrival_delta = 0.0;
    if (!delay->has_current) {
        begin(delay, sent, arrival);
    } else if (sent < delay->first_sent) {
        return; /* reordered */
    } else if (is_next(delay, sent, arrival)) {
        if (delay->has_previous) {
            send_delta = delay->sent - delay->previous_sent;
            arrival_delta = delay->arrival - delay->previous_arrival;
            if (arrival_delta - (delay->noted - delay->previous_noted) >= CLOCK_JUMP) {
                forget_groups(delay);
                return;
            }
            if (arrival_delta < 0) {
                if (++delay->reordered >= REORDERED)
                    forget_groups(delay);
                return;
            }
            delay->reordered = 0;
            complete = true;
        }
        delay->has_previous = true;
        delay->previous_sent = delay->sent;
        delay->previous_arrival = delay->arrival;
        delay->previous_noted = delay->noted;
        begin(delay, sent, arrival);
    } else if (sent > delay->sent) {
        delay->sent = sent;
    }
    delay->arrival = arrival;
    delay->noted = now;
    if (complete)
        update(delay, send_delta, arrival_delta, arrival);
}
