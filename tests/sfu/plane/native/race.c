/* race SECONDS THREADS SEED: senders hammer the port while the control side changes every row, sends, reads the
 * counters, and closes and opens the port. To be built with ThreadSanitizer, or with AddressSanitizer. */
#include <arpa/inet.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "native/port.h"
#include "world.h"

#define SENDERS 3
#define SOCKETS 8 /* of each sender */

static plane_t plane;
static int stopping;
static struct sockaddr_in target;

typedef struct sender {
    pthread_t thread;
    int sockets[SOCKETS];
    uint64_t seed, sent;
} sender_t;

static void *send_on(void *argument) {
    sender_t *sender = argument;
    dice_t dice = {sender->seed * 0x9e3779b97f4a7c15u + 1};
    uint16_t sequences[SSRCS] = {0};
    uint8_t data[4096];
    while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
        int from = sender->sockets[below(&dice, SOCKETS)];
        uint32_t ssrc = 1 + (uint32_t)below(&dice, SSRCS);
        for (size_t burst = 1 + below(&dice, 12); burst; burst--) {
            size_t size = make_datagram(&dice, &sequences[ssrc - 1], ssrc, data, 1600);
            if (!once_in(&dice, 4)) {
                /* Sound, so that most of the work is forwarding. */
                size = 200;
                memset(data, 0, size);
                data[0] = 0x80;
                data[1] = 111;
                write16(data + 2, ++sequences[ssrc - 1]);
                write32(data + 8, ssrc);
            }
            sender->sent += sendto(from, data, size, 0, (struct sockaddr *)&target, sizeof target) >= 0;
        }
        if (once_in(&dice, 8))
            usleep(100);
    }
    return NULL;
}

int main(int argc, char **argv) {
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
    size_t threads = argc > 2 ? (size_t)atoi(argv[2]) : 4;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    const char *host = seed % 2 ? "127.0.0.1" : "";
    static world_t world;
    static port_t port;
    static sender_t senders[SENDERS];
    CHECK(plane_init(&plane, &FAKE_SRTP, seed));
    world_init(&world, &plane, seed);
    plane.pad = true;
    CHECK(port_open(&port, &plane, host, 0, threads, true) == 0);
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port.number)};
    inet_pton(AF_INET, "127.0.0.1", &target.sin_addr);
    for (size_t at = 0; at < SENDERS * SOCKETS; at++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = target.sin_addr};
        socklen_t length = sizeof name;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&name, length) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&name, &length) == 0);
        senders[at / SOCKETS].sockets[at % SOCKETS] = fd;
        /* The rows' addresses are those that packets come from. */
        CHECK(address_parse("127.0.0.1", ntohs(name.sin_port), &world.addresses[at]));
        world.addresses[(at + SENDERS * SOCKETS) % ADDRESSES] = world.addresses[at];
    }
    pthread_rwlock_wrlock(&plane.lock);
    for (int warm = 0; warm < 400; warm++)
        change(&world);
    pthread_rwlock_unlock(&plane.lock);
    for (size_t at = 0; at < SENDERS; at++) {
        senders[at].seed = seed * SENDERS + at;
        CHECK(pthread_create(&senders[at].thread, NULL, send_on, &senders[at]) == 0);
    }
    dice_t dice = {seed + 99};
    uint64_t changes = 0, punts = 0, opened = 0, total = 0;
    port_counters_t counters = {0};
    const uint8_t report[28] = {0x80, 200, 0, 6};
    while (time(NULL) < end) {
        pthread_rwlock_wrlock(&plane.lock);
        for (size_t count = 1 + below(&dice, 4); count; count--, changes++)
            change(&world);
        pthread_rwlock_unlock(&plane.lock);
        transport_t *transport = world.transports[below(&dice, TRANSPORTS)];
        if (transport && once_in(&dice, 2)) {
            pthread_rwlock_wrlock(&plane.lock);
            lane_send_rtcp(&plane.control, transport, report, sizeof report);
            lane_send(&plane.control, report, sizeof report, &world.addresses[below(&dice, ADDRESSES)]);
            struct timespec time;
            clock_gettime(CLOCK_MONOTONIC, &time);
            double now = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
            bool begun = lane_begin_probe(&plane.control, transport, 1, 5e6, 0.005, now);
            pthread_rwlock_unlock(&plane.lock);
            if (begun)
                port_rouse(&port);
        }
        for (punt_t *punt = plane_take_punts(&plane), *next; punt; punt = next) {
            next = punt->next;
            punts++;
            if (punt->kind == PUNT_UNKNOWN_SSRC && once_in(&dice, 8) && world.transports[punt->transport]) {
                pthread_rwlock_wrlock(&plane.lock);
                lane_replay(&plane.control, world.transports[punt->transport], punt->data, punt->size, 0);
                pthread_rwlock_unlock(&plane.lock);
            }
            free(punt);
        }
        pthread_rwlock_wrlock(&plane.lock);
        counters = (port_counters_t){0};
        for (size_t at = 0; at < port.thread_count; at++) {
            counters.received += port.threads[at]->counters.received;
            counters.sent += port.threads[at]->counters.sent;
            for (int reason = 0; reason < DROP_COUNT; reason++)
                total += port.threads[at]->lane.drops[reason];
        }
        if (once_in(&dice, 200)) {
            for (size_t at = 0; at < MAX_INJECTED; at++) {
                static const int results[] = {1, 2, 0, -EINTR, -EAGAIN, -EINVAL, -EPERM, -ENOBUFS, -ECONNREFUSED, 64};
                port.injected[at] = results[below(&dice, sizeof results / sizeof *results)];
            }
            port.injected_count = MAX_INJECTED;
            port.injected_at = 0;
        }
        pthread_rwlock_unlock(&plane.lock);
        if (once_in(&dice, 2000)) {
            uint16_t number = port.number;
            port_close(&port);
            /* Without a port: kept, as in memory. */
            pthread_rwlock_wrlock(&plane.lock);
            lane_send(&plane.control, report, sizeof report, &world.addresses[0]);
            pthread_rwlock_unlock(&plane.lock);
            for (kept_t *kept = plane_take_kept(&plane), *next; kept; kept = next) {
                next = kept->next;
                free(kept);
            }
            plane.pad = true;
            CHECK(port_open(&port, &plane, host, number, threads, true) == 0);
            opened++;
        }
        for (size_t at = 0; at < SENDERS * SOCKETS; at++) {
            uint8_t taken[2048];
            while (once_in(&dice, 2) && recv(senders[at / SOCKETS].sockets[at % SOCKETS], taken, sizeof taken, 0) > 0) {
            }
        }
    }
    __atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
    uint64_t sent = 0;
    for (size_t at = 0; at < SENDERS; at++) {
        pthread_join(senders[at].thread, NULL);
        sent += senders[at].sent;
        for (size_t in = 0; in < SOCKETS; in++)
            close(senders[at].sockets[in]);
    }
    port_close(&port);
    world_clear(&world);
    plane_free(&plane);
    printf(
        "%llu datagrams to %zu threads, %llu changes, %llu punts, %llu times opened anew; at last %llu received, "
        "%llu sent; %llu packets forwarded\n",
        (unsigned long long)sent,
        threads,
        (unsigned long long)changes,
        (unsigned long long)punts,
        (unsigned long long)opened,
        (unsigned long long)counters.received,
        (unsigned long long)counters.sent,
        (unsigned long long)world.closed_packets);
    return total == UINT64_MAX;
}
