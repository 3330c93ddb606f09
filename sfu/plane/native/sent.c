#include "sent.h"

#include <stdlib.h>

#define EPOCH 15.0
#define SILENCE 2.0
#define REFERENCE_WRAP ((int64_t)1 << 24)

sent_t *sent_new(void) {
    sent_t *sent = calloc(1, sizeof *sent);
    if (!sent)
        return NULL;
    sent->next = 1;
    sent->probe.done = true;
    delay_init(&sent->delay);
    return sent;
}

void sent_packet(sent_t *sent, size_t size, double now) {
    sent_record_t *record = &sent->records[(uint64_t)sent->next % SENT_WINDOW];
    record->size = (uint16_t)(size + SENT_OVERHEAD);
    record->time = now;
    record->status = SENT_WAITS;
    record->probe = 0;
    probe_state_t *probe = &sent->probe;
    if (!probe->done) {
        record->probe = probe->id;
        if (!probe->packets_sent)
            probe->first_sent = now;
        probe->packets_sent++;
        probe->bytes_sent += record->size;
        probe->last_sent = now;
        probe->size_last_sent = record->size;
    }
    sent->state.packets_sent++;
    sent->state.bytes_sent += record->size;
    sent->next++;
}

static void acknowledge(sent_t *sent, int64_t number, int64_t ticks, double now) {
    sent_record_t *record = &sent->records[(uint64_t)number % SENT_WINDOW];
    sent->state.packets_acknowledged++;
    sent->state.bytes_acknowledged += record->size;
    double seconds = (double)ticks * 0.25 / 1000.0;
    if (number > sent->newest_acknowledged) {
        sent->newest_acknowledged = number;
        sent->state.last_arrival = seconds;
    }
    probe_state_t *probe = &sent->probe;
    if (record->probe && record->probe == probe->id) {
        if (!probe->packets_received || seconds < probe->first_received) {
            probe->first_received = seconds;
            probe->size_first_received = record->size;
        }
        if (!probe->packets_received || seconds > probe->last_received)
            probe->last_received = seconds;
        probe->packets_received++;
        probe->bytes_received += record->size;
    }
    delay_add(&sent->delay, record->time * 1000.0, (double)ticks * 0.25, now * 1000.0);
}

static void note_queue(sent_t *sent, double least, double now) {
    if (!sent->has_least || now - sent->epoch > EPOCH) {
        sent->has_former_least = sent->has_least;
        sent->former_least = sent->least;
        sent->has_least = true;
        sent->least = least;
        sent->epoch = now;
    } else if (least < sent->least) {
        sent->least = least;
    }
    double base = sent->has_former_least && sent->former_least < sent->least ? sent->former_least : sent->least;
    sent->state.queue_delay = (least - base) / 1000.0;
}

static int64_t unwrap(sent_t *sent, int64_t reference) {
    if (sent->has_reference) {
        int64_t ahead = (int64_t)((uint64_t)(reference - sent->reference) % (uint64_t)REFERENCE_WRAP);
        if (ahead >= REFERENCE_WRAP / 2)
            ahead -= REFERENCE_WRAP;
        reference = sent->reference + ahead;
    }
    sent->has_reference = true;
    sent->reference = reference;
    return reference;
}

void sent_feedback(sent_t *sent, const feedback_t *message, double now) {
    bandwidth_state_t *state = &sent->state;
    if (state->feedbacks && now - state->last_feedback > SILENCE)
        delay_reset(&sent->delay);
    int64_t origin = unwrap(sent, message->reference) * REFERENCE_TICKS;
    int64_t number = sent->next - 1 - (int64_t)(uint16_t)((uint64_t)(sent->next - 1) - message->base);
    bool any = false;
    double newest_sent = 0.0, least = 0.0;
    feedback_cursor_t cursor;
    feedback_begin(message, &cursor);
    for (bool received; feedback_step(&cursor, &received); number++) {
        if (sent->next - number > SENT_WINDOW || number >= sent->next || number <= 0)
            continue;
        sent_record_t *record = &sent->records[(uint64_t)number % SENT_WINDOW];
        if (!received) {
            if (record->status == SENT_WAITS) {
                record->status = SENT_LOST;
                state->packets_lost++;
            }
        } else if (record->status != SENT_ACKNOWLEDGED) {
            if (record->status == SENT_LOST)
                state->packets_lost--;
            record->status = SENT_ACKNOWLEDGED;
            int64_t ticks = origin + cursor.arrival;
            double transit = (double)ticks * 0.25 - record->time * 1000.0;
            if (!any || transit < least)
                least = transit;
            if (!any || record->time > newest_sent)
                newest_sent = record->time;
            any = true;
            acknowledge(sent, number, ticks, now);
        }
    }
    state->feedbacks++;
    state->last_feedback = now;
    if (any) {
        state->round_trip_time = now - newest_sent;
        note_queue(sent, least, now);
    }
}
