/* The floor under forwarding: the same packets protected and sent, and nothing else. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "load.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
/* Packets per flush: as the plane has it, for the L2 cache. */
#define FLUSH 64
/* Bytes that SRTP may add (libsrtp's SRTP_MAX_TRAILER_LEN). */
#define TRAILER 144

typedef struct flush {
    struct mmsghdr messages[FLUSH];
    struct iovec vectors[FLUSH];
    _Alignas(struct cmsghdr) char controls[FLUSH][CMSG_SPACE(sizeof(uint16_t))];
    uint8_t arena[FLUSH * (MAX_PACKET + TRAILER)];
    unsigned count;
    size_t used, packets;
} flush_t;

static void add(flush_t *flush, floor_run_t *run, int to, size_t offset, size_t size, bool segment) {
    unsigned at = flush->count++;
    flush->vectors[at] = (struct iovec){flush->arena + offset, flush->used - offset};
    struct msghdr *header = &flush->messages[at].msg_hdr;
    *header = (struct msghdr){
        .msg_name = &run->addresses[to],
        .msg_namelen = run->address_length,
        .msg_iov = &flush->vectors[at],
        .msg_iovlen = 1,
    };
    if (segment && flush->used - offset > size) {
        header->msg_control = flush->controls[at];
        header->msg_controllen = sizeof flush->controls[at];
        struct cmsghdr *control = CMSG_FIRSTHDR(header);
        control->cmsg_level = IPPROTO_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t segment_size = (uint16_t)size;
        memcpy(CMSG_DATA(control), &segment_size, sizeof segment_size);
    }
}

static int send_off(flush_t *flush, floor_run_t *run) {
    for (unsigned at = 0; run->send && at < flush->count;) {
        int sent = sendmmsg(run->fd, flush->messages + at, flush->count - at, 0);
        if (sent > 0)
            at += (unsigned)sent;
        else if (errno != EINTR && errno != ECONNREFUSED)
            return errno;
    }
    run->packets += flush->packets;
    flush->count = 0;
    flush->used = flush->packets = 0;
    return 0;
}

static int one_burst(srtp_process_t protect, flush_t *flush, floor_run_t *run, const uint8_t *packets, int number) {
    int error = 0;
    for (int to = 0; to < run->count && !error; to++) {
        size_t begin = flush->used, size = 0;
        if (flush->packets + (size_t)run->burst > FLUSH) {
            error = send_off(flush, run);
            begin = flush->used;
        }
        for (int at = 0; at < run->burst && !error; at++) {
            uint8_t *packet = flush->arena + flush->used;
            int length = run->size;
            memcpy(packet, packets + at * MAX_PACKET, (size_t)run->size);
            unsigned sequence = (unsigned)(number * run->burst + at) & 0xffff;
            packet[2] = (uint8_t)(sequence >> 8);
            packet[3] = (uint8_t)sequence;
            if (run->protect && protect(run->sessions[to], packet, &length) != 0)
                return EINVAL;
            size = (size_t)length;
            flush->used += size;
            flush->packets++;
            if (!run->segment) {
                add(flush, run, to, flush->used - size, size, false);
                begin = flush->used;
            }
        }
        if (run->segment)
            add(flush, run, to, begin, size, true);
    }
    return error ? error : send_off(flush, run);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int floor_measure(void *protect, floor_run_t *run) {
    static _Thread_local flush_t flush;
    static _Thread_local uint8_t packets[MAX_BURST * MAX_PACKET];
    prctl(PR_SET_TIMERSLACK, 1);
    memset(&flush, 0, sizeof flush);
    for (int at = 0; at < run->burst; at++) {
        uint8_t *packet = packets + at * MAX_PACKET;
        packet[0] = 0x80;
        packet[1] = 96;
        packet[11] = 1;
    }
    run->packets = 0;
    uint64_t next = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    int error = 0;
    for (int burst = 0; burst < run->bursts && !error; burst++) {
        next += run->period_ns;
        struct timespec time = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        while (run->period_ns && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
            continue;
        error = one_burst((srtp_process_t)(uintptr_t)protect, &flush, run, packets, burst);
    }
    run->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    return error;
}
