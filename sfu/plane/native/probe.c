#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "plane.h"

/* What a probe has to send to show a rate, and times its duration after which one ends that could not. */
#define LEAST_BYTES (5 * 350)
#define LONGEST 10.0

/* The list is changed under probe_lock; a transport's probe under its `sending`. */
static bool add(plane_t *plane, transport_t *transport) {
    pthread_mutex_lock(&plane->probe_lock);
    if (plane->probe_count == plane->probe_room) {
        size_t room = plane->probe_room ? plane->probe_room * 2 : 16;
        transport_t **probes = realloc(plane->probes, room * sizeof(transport_t *));
        if (probes) {
            plane->probes = probes;
            plane->probe_room = room;
        }
    }
    bool fits = plane->probe_count < plane->probe_room;
    if (fits) {
        plane->probes[plane->probe_count] = transport;
        __atomic_store_n(&plane->probe_count, plane->probe_count + 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&plane->probe_lock);
    return fits;
}

static void take_out(plane_t *plane, const transport_t *transport) {
    pthread_mutex_lock(&plane->probe_lock);
    size_t at = 0, count = plane->probe_count - 1;
    while (plane->probes[at] != transport)
        at++;
    memmove(plane->probes + at, plane->probes + at + 1, (count - at) * sizeof *plane->probes);
    __atomic_store_n(&plane->probe_count, count, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&plane->probe_lock);
}

/* The route that carries the padding. */
static route_t *padded(const transport_t *transport) {
    route_t *chosen = NULL;
    for (size_t at = 0; at < transport->route_count; at++) {
        route_t *route = transport->routes[at];
        if (route_takes_padding(route) && (!chosen || route->ssrc < chosen->ssrc))
            chosen = route;
    }
    return chosen;
}

static double whole(const running_probe_t *running) {
    double bytes = running->bitrate * running->duration / 8;
    return bytes > LEAST_BYTES ? bytes : LEAST_BYTES;
}

static bool lacks(const running_probe_t *running, const probe_state_t *probe, double now) {
    double due = running->bitrate * (now - running->began) / 8, all = whole(running);
    return probe->bytes_sent <= (due < all ? due : all);
}

static bool ended(const running_probe_t *running, const probe_state_t *probe, double now) {
    double elapsed = now - running->began;
    return elapsed >= running->duration &&
           (probe->bytes_sent > whole(running) || elapsed >= LONGEST * running->duration);
}

/* Send the padding that is due to a transport. */
static void pad(lane_t *lane, transport_t *transport, double now) {
    pthread_mutex_lock(&transport->sending);
    running_probe_t *running = &transport->probe;
    /* Another lane may have come first. */
    if (running->runs) {
        probe_state_t *probe = &transport->sent->probe;
        route_t *route = padded(transport);
        for (size_t count = 0; route && count < MAX_PADDING_AT_ONCE && lacks(running, probe, now); count++) {
            size_t size = route_pad(route, now, &lane->plane->srtp, &lane->out);
            if (!size)
                break;
            lane->repairs[REPAIR_PADDING_PACKETS]++;
            lane->repairs[REPAIR_PADDING_BYTES] += size;
        }
        if (ended(running, probe, now)) {
            probe->done = true;
            running->runs = false;
            take_out(lane->plane, transport);
        }
    }
    pthread_mutex_unlock(&transport->sending);
}

bool lane_begin_probe(
    lane_t *lane, transport_t *transport, uint32_t id, double bitrate, double duration, double now) {
    if (!transport->sent || !padded(transport))
        return false;
    if (!transport->probe.runs && !add(lane->plane, transport))
        return false;
    transport->sent->probe = (probe_state_t){.id = id};
    transport->probe =
        (running_probe_t){.runs = true, .bitrate = bitrate, .duration = duration, .began = now};
    lane->repairs[REPAIR_PROBES]++;
    pad(lane, transport, now);
    lane_flush(lane);
    return true;
}

void lane_probe(lane_t *lane, double now) {
    plane_t *plane = lane->plane;
    transport_t *probes[MAX_PROBES];
    pthread_mutex_lock(&plane->probe_lock);
    size_t count = plane->probe_count < MAX_PROBES ? plane->probe_count : MAX_PROBES;
    if (count)
        memcpy(probes, plane->probes, count * sizeof *probes);
    pthread_mutex_unlock(&plane->probe_lock);
    for (size_t at = 0; at < count; at++)
        pad(lane, probes[at], now);
    lane_flush(lane);
}

bool plane_probe_due(plane_t *plane, uint64_t nanoseconds) {
    uint64_t next = __atomic_load_n(&plane->next_probe, __ATOMIC_RELAXED);
    return plane_probes(plane) && nanoseconds >= next &&
           __atomic_compare_exchange_n(
               &plane->next_probe,
               &next,
               nanoseconds + (uint64_t)(PROBE_INTERVAL * 1e9),
               false,
               __ATOMIC_RELAXED,
               __ATOMIC_RELAXED);
}

void plane_end_probe(plane_t *plane, transport_t *transport) {
    if (!transport->probe.runs)
        return;
    transport->probe.runs = false;
    take_out(plane, transport);
}
