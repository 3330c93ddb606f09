/* fuzz SECONDS SEED: rows and datagrams by dice, through lane_receive, lane_forward, lane_replay, lane_send_rtcp.
 * To be built with sanitizers, and with malloc, calloc and realloc wrapped: memory is out now and then. */
#include <time.h>

#include "world.h"

#define ROOM 1600
#define ROUNDS_PER_WORLD 2000

static dice_t shortage = {1};
static bool short_of_memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

static bool refuse(void) {
    return short_of_memory && once_in(&shortage, 50);
}

void *__wrap_malloc(size_t size) {
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    /* Sessions are the test's own. */
    return size != sizeof(session_t) && size != sizeof(sent_stream_t) && refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size) {
    return refuse() ? NULL : __real_realloc(at, size);
}

typedef struct totals {
    uint64_t worlds, datagrams, out, punts, dropped, changes;
    uint64_t drops[DROP_COUNT], repairs[REPAIR_COUNT];
} totals_t;

static void take(plane_t *plane, totals_t *totals, uint64_t *kept_count) {
    for (kept_t *kept = plane_take_kept(plane), *next; kept; kept = next) {
        next = kept->next;
        totals->out++;
        ++*kept_count;
        free(kept);
    }
    for (punt_t *punt = plane_take_punts(plane), *next; punt; punt = next) {
        next = punt->next;
        totals->punts++;
        free(punt);
    }
}

/* A batch of datagrams, each in memory of exactly its size. */
static void batch(world_t *world, double now, totals_t *totals) {
    dice_t *dice = &world->dice;
    lane_t *lane = &world->plane->control;
    uint8_t *data[BATCH];
    size_t count = 1 + below(dice, once_in(dice, 4) ? BATCH : 8);
    for (size_t at = 0; at < count; at++) {
        uint8_t made[ROOM * 2];
        address_t from;
        size_t size = next_datagram(world, made, ROOM, &from);
        data[at] = __real_malloc(size ? size : 1);
        memcpy(data[at], made, size);
        lane_receive(lane, data[at], size, &from, now);
        totals->datagrams++;
    }
    lane_forward(lane, now);
    for (size_t at = 0; at < count; at++)
        free(data[at]);
}

static void one_world(uint64_t seed, totals_t *totals) {
    static plane_t plane;
    world_t world;
    short_of_memory = false;
    shortage.state = seed + 1;
    CHECK(plane_init(&plane, &FAKE_SRTP, seed));
    plane.pad = seed % 2;
    world_init(&world, &plane, seed);
    dice_t *dice = &world.dice;
    uint64_t kept = 0, rtcp = 0;
    double now = 1000;
    for (int warm = 0; warm < 400; warm++)
        change(&world);
    short_of_memory = seed % 4 == 0;
    for (int round = 0; round < ROUNDS_PER_WORLD; round++) {
        now += 0.001 * (double)below(dice, 100);
        switch (below(dice, 7)) {
        case 0:
        case 1:
            change(&world);
            totals->changes++;
            break;
        case 2: {
            uint8_t made[ROOM * 2];
            address_t from;
            size_t size = next_datagram(&world, made, ROOM, &from);
            uint8_t *exact = __real_malloc(size ? size : 1);
            memcpy(exact, made, size);
            transport_t *transport = world.transports[below(dice, TRANSPORTS)];
            if (transport) {
                bool sends = transport->send.session && transport->addressed && size >= 8 && once_in(dice, 4);
                if (sends) {
                    uint64_t dropped = plane.control.drops[DROP_TOO_LARGE];
                    lane_send_rtcp(&plane.control, transport, exact, size);
                    rtcp += plane.control.drops[DROP_TOO_LARGE] == dropped;
                    if (plane.control.drops[DROP_TOO_LARGE] != dropped)
                        plane.control.drops[DROP_TOO_LARGE]--;
                } else {
                    lane_replay(&plane.control, transport, exact, size, now);
                }
            }
            free(exact);
            break;
        }
        case 3: {
            transport_t *transport = world.transports[below(dice, TRANSPORTS)];
            if (transport)
                lane_tick(&plane.control, transport, now);
            if (transport && once_in(dice, 2)) {
                static const double rates[] = {1e4, 1e6, 1e8};
                uint32_t id = 1 + (uint32_t)below(dice, 1000);
                lane_begin_probe(&plane.control, transport, id, rates[below(dice, 3)], 0.03, now);
            }
            lane_ask(&plane.control, now);
            lane_probe(&plane.control, now);
            lane_flush(&plane.control);
            break;
        }
        default:
            batch(&world, now, totals);
        }
        take(&plane, totals, &kept);
    }
    short_of_memory = false;
    for (size_t at = 0; at < ROUTES; at++)
        drop_route(&world, at);
    /* What routes sent, and what publishers were told, came out, or was dropped for want of memory. */
    uint64_t nacks = plane.control.repairs[REPAIR_NACKS_SENT],
             padding = plane.control.repairs[REPAIR_PADDING_PACKETS];
    CHECK(world.closed_packets + world.closed_resends + rtcp + plane.control.feedbacks + nacks + padding ==
          kept + plane.control.drops[DROP_SEND_FAILED]);
    CHECK(plane.control.repairs[REPAIR_PACKETS_RETRANSMITTED] == world.closed_resends);
    for (int reason = DROP_ROUTE_PAUSED; reason <= DROP_SRTP_PROTECT; reason++)
        CHECK(plane.control.drops[reason] == world.closed_drops[reason]);
    for (int reason = 0; reason < DROP_COUNT; reason++) {
        totals->drops[reason] += plane.control.drops[reason];
        totals->dropped += plane.control.drops[reason];
    }
    for (int repair = 0; repair < REPAIR_COUNT; repair++)
        totals->repairs[repair] += plane.control.repairs[repair];
    world_clear(&world);
    CHECK(plane.limits.used_bytes == 0 && plane.gap_count == 0 && plane.probe_count == 0);
    plane_free(&plane);
    totals->worlds++;
}

int main(int argc, char **argv) {
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    totals_t totals = {0};
    do {
        /* Where a finding is made, this is how to have it again. */
        fprintf(stderr, "\rseed %llu ", (unsigned long long)seed);
        one_world(seed++, &totals);
    } while (time(NULL) < end);
    fprintf(stderr, "\n");
    printf(
        "%llu worlds, %llu changes, %llu datagrams: %llu out, %llu punts, %llu dropped\n",
        (unsigned long long)totals.worlds,
        (unsigned long long)totals.changes,
        (unsigned long long)totals.datagrams,
        (unsigned long long)totals.out,
        (unsigned long long)totals.punts,
        (unsigned long long)totals.dropped);
    for (int reason = 0; reason < DROP_COUNT; reason++)
        printf("  %-18s %llu\n", drop_name(reason), (unsigned long long)totals.drops[reason]);
    for (int repair = 0; repair < REPAIR_COUNT; repair++)
        printf("  %-25s %llu\n", repair_name(repair), (unsigned long long)totals.repairs[repair]);
    return 0;
}
