#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define BATCH 64
#define SLOT 2048
/* With UDP_GRO a datagram is a whole run. */
#define RUN_BATCH 8
#define RUN_SLOT 65536
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
/* Sinks are read so often, all in turn. Waiting for packets in poll or epoll would have each of them wake or mark
 * the waiter, and on one machine that is charged to who sends. Arrival is stamped by the kernel, so that lying in
 * a socket does not count. */
#define POLL_NS 2000000
/* Sinks per reading of POLL_NS: more of them are read less often, or reading would fill a core. */
#define SINKS_PER_POLL 100
#define LATE_NS 1000000
#define VIDEO_CLOCK 90000
#define AUDIO_CLOCK 48000

struct load {
    srtp_process_t protect, unprotect;
    sink_t *sinks;
    source_t *sources;
    size_t sink_room, source_room, sink_count, source_count;
    pthread_t receiving, sending;
    bool stopping, paused, started;
    pthread_mutex_t lock;         /* of the sinks and what was received */
    pthread_mutex_t sending_lock; /* of the sources and what was sent */
    counters_t counters;
    int64_t *samples;
    bool whole_runs; /* sinks take runs of UDP_SEGMENT uncut */
    uint8_t *slots;  /* BATCH of SLOT, or RUN_BATCH of RUN_SLOT */
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t at) {
    struct timespec time = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        continue;
}

static void put16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value) {
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

load_t *load_new(void *protect, void *unprotect, size_t sinks, size_t sources, int whole_runs) {
    load_t *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    load->protect = (srtp_process_t)(uintptr_t)protect;
    load->unprotect = (srtp_process_t)(uintptr_t)unprotect;
    load->sinks = calloc(sinks ? sinks : 1, sizeof *load->sinks);
    load->sources = calloc(sources ? sources : 1, sizeof *load->sources);
    load->samples = calloc(MAX_SAMPLES, sizeof *load->samples);
    load->whole_runs = whole_runs != 0;
    load->slots = malloc(whole_runs ? RUN_BATCH * RUN_SLOT : BATCH * SLOT);
    load->sink_room = sinks;
    load->source_room = sources;
    pthread_mutex_init(&load->lock, NULL);
    pthread_mutex_init(&load->sending_lock, NULL);
    if (!load->sinks || !load->sources || !load->samples || !load->slots) {
        load_free(load);
        return NULL;
    }
    return load;
}

void load_free(load_t *load) {
    free(load->sinks);
    free(load->sources);
    free(load->samples);
    free(load->slots);
    free(load);
}

int load_sink(load_t *load, int fd, void *session) {
    int on = 1, result = -1;
    pthread_mutex_lock(&load->lock);
    if (load->sink_count < load->sink_room &&
        (!session || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0) &&
        (!load->whole_runs || setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0)) {
        sink_t *sink = &load->sinks[load->sink_count++];
        sink->fd = fd;
        sink->session = session;
        result = 0;
    }
    pthread_mutex_unlock(&load->lock);
    return result;
}

int load_source(load_t *load, int fd, void *session, uint32_t ssrc, int payload_type, int size, int burst,
                uint64_t period_ns, uint64_t phase_ns, int video) {
    int result = -1;
    pthread_mutex_lock(&load->sending_lock);
    if (load->source_count < load->source_room && burst >= 1 && burst <= MAX_BURST &&
        size >= 12 + STAMP_AT + 8 && size <= MAX_PACKET - 64) {
        uint64_t rate = video ? VIDEO_CLOCK : AUDIO_CLOCK, second = 1000000000u;
        load->sources[load->source_count++] = (source_t){
            .fd = fd,
            .session = session,
            .period = period_ns,
            .next = clock_ns(CLOCK_MONOTONIC) + phase_ns,
            .ssrc = ssrc,
            .timestamp_step = (uint32_t)(rate * period_ns / second),
            .keyframe_every = (uint32_t)(second / period_ns) + 1,
            .sequence = 1000,
            .payload_type = (uint8_t)payload_type,
            .video = video != 0,
            .burst = burst,
            .size = size,
        };
        result = 0;
    }
    pthread_mutex_unlock(&load->sending_lock);
    return result;
}

/* Sending */

static void write_packet(uint8_t *packet, source_t *source, int at) {
    memset(packet, 0, (size_t)source->size);
    packet[0] = 0x80;
    packet[1] = (uint8_t)(source->payload_type | (source->video && at == source->burst - 1 ? 0x80 : 0));
    put16(packet + 2, source->sequence++);
    put32(packet + 4, source->timestamp);
    put32(packet + 8, source->ssrc);
    uint8_t *payload = packet + 12;
    if (source->video) {
        /* VP8 (RFC 7741): S and partition 0 on the first packet; an uncompressed header of 640x360. */
        bool key = source->bursts % source->keyframe_every == 0;
        payload[0] = at == 0 ? 0x10 : 0;
        if (at == 0) {
            payload[1] = key ? 0x10 : 0x11;
            if (key)
                memcpy(payload + 4, "\x9d\x01\x2a\x80\x02\x68\x01", 7);
        }
    }
    uint64_t now = clock_ns(CLOCK_REALTIME);
    put32(payload + STAMP_AT, (uint32_t)(now >> 32));
    put32(payload + STAMP_AT + 4, (uint32_t)now);
}

static void send_burst(load_t *load, source_t *source) {
    uint8_t packets[MAX_BURST][MAX_PACKET];
    struct mmsghdr messages[MAX_BURST];
    struct iovec vectors[MAX_BURST];
    memset(messages, 0, sizeof messages);
    unsigned count = 0;
    for (int at = 0; at < source->burst; at++) {
        write_packet(packets[count], source, at);
        int size = source->size;
        if (load->protect(source->session, packets[count], &size) != 0) {
            load->counters.errors++;
            continue;
        }
        vectors[count] = (struct iovec){packets[count], (size_t)size};
        messages[count].msg_hdr.msg_iov = &vectors[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    source->timestamp += source->timestamp_step;
    source->bursts++;
    for (unsigned at = 0; at < count;) {
        int sent = sendmmsg(source->fd, messages + at, count - at, 0);
        if (sent > 0) {
            at += (unsigned)sent;
            load->counters.sent += (uint64_t)sent;
        } else if (errno != EINTR) {
            load->counters.errors++;
            at++;
        }
    }
}

static void *send_all(void *argument) {
    load_t *load = argument;
    prctl(PR_SET_TIMERSLACK, 1);
    while (!__atomic_load_n(&load->stopping, __ATOMIC_RELAXED)) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC), wake = now + POLL_NS * 5;
        pthread_mutex_lock(&load->sending_lock);
        for (size_t at = 0; at < load->source_count && !load->paused; at++) {
            source_t *source = &load->sources[at];
            now = clock_ns(CLOCK_MONOTONIC);
            if (source->next <= now) {
                load->counters.bursts++;
                if (now - source->next >= LATE_NS)
                    load->counters.late++;
                send_burst(load, source);
                source->next += source->period;
                /* What could not be sent in time is not made up for at once. */
                if (source->next + source->period * 8 < now)
                    source->next = now;
            }
            if (source->next < wake)
                wake = source->next;
        }
        pthread_mutex_unlock(&load->sending_lock);
        if (wake > clock_ns(CLOCK_MONOTONIC))
            sleep_until(wake);
    }
    return NULL;
}

/* Receiving */

static stream_t *stream_of(sink_t *sink, uint32_t ssrc, uint16_t sequence) {
    for (size_t at = 0; at < sink->stream_count; at++)
        if (sink->streams[at].ssrc == ssrc)
            return &sink->streams[at];
    if (sink->stream_count == MAX_STREAMS)
        return NULL;
    stream_t *stream = &sink->streams[sink->stream_count++];
    *stream = (stream_t){.ssrc = ssrc, .highest = 65536u + sequence - 1u, .first = 65536u + sequence};
    return stream;
}

static uint64_t arrival(struct msghdr *header) {
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at))
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(at), sizeof time);
            return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
        }
    return 0;
}

/* Bytes of each packet but the last in a run that was not cut; those of the datagram where it is none. */
static int segment_size(struct msghdr *header, int size) {
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at))
        if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(at), sizeof segment);
            return segment > 0 ? segment : size;
        }
    return size;
}

static void sample(load_t *load, sink_t *sink, uint8_t *packet, int size, uint64_t arrived) {
    if (load->unprotect(sink->session, packet, &size) != 0) {
        load->counters.errors++;
        return;
    }
    int header = 12 + 4 * (packet[0] & 15);
    if (packet[0] & 0x10 && header + 4 <= size)
        header += 4 + 4 * (packet[header + 2] << 8 | packet[header + 3]);
    if (header + STAMP_AT + 8 > size || !arrived)
        return;
    const uint8_t *stamp = packet + header + STAMP_AT;
    uint64_t sent = (uint64_t)get32(stamp) << 32 | get32(stamp + 4);
    if (load->counters.samples < MAX_SAMPLES)
        load->samples[load->counters.samples] = (int64_t)(arrived - sent);
    load->counters.samples++;
}

static void take(load_t *load, sink_t *sink, uint8_t *packet, int size, struct msghdr *header) {
    if (size < 12 || packet[0] >> 6 != 2) {
        load->counters.other++;
        return;
    }
    if (packet[1] >= 192 && packet[1] < 224) {
        load->counters.rtcp++;
        return;
    }
    uint16_t sequence = (uint16_t)(packet[2] << 8 | packet[3]);
    stream_t *stream = stream_of(sink, get32(packet + 8), sequence);
    load->counters.received++;
    if (stream) {
        stream->packets++;
        int16_t ahead = (int16_t)(sequence - (uint16_t)stream->highest);
        if (ahead > 0)
            stream->highest += (uint32_t)ahead;
    }
    if (sink->session)
        sample(load, sink, packet, size, arrival(header));
}

static void read_sink(load_t *load, sink_t *sink) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    _Alignas(struct cmsghdr) char controls[BATCH][CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
    int batch = load->whole_runs ? RUN_BATCH : BATCH;
    size_t room = load->whole_runs ? RUN_SLOT : SLOT;
    int count;
    do {
        for (int at = 0; at < batch; at++) {
            vectors[at] = (struct iovec){load->slots + (size_t)at * room, room};
            messages[at].msg_hdr = (struct msghdr){.msg_iov = &vectors[at], .msg_iovlen = 1};
            if (sink->session || load->whole_runs) {
                messages[at].msg_hdr.msg_control = controls[at];
                messages[at].msg_hdr.msg_controllen = sizeof controls[at];
            } else {
                /* Where only headers count, the rest is not even copied. */
                vectors[at].iov_len = 16;
            }
        }
        count = recvmmsg(sink->fd, messages, (unsigned)batch, MSG_DONTWAIT | MSG_TRUNC, NULL);
        for (int at = 0; at < count; at++) {
            uint8_t *data = vectors[at].iov_base;
            struct msghdr *header = &messages[at].msg_hdr;
            int size = (int)messages[at].msg_len, segment = segment_size(header, size);
            for (int done = 0; done < size; done += segment)
                take(load, sink, data + done, size - done < segment ? size - done : segment, header);
        }
    } while (count == batch);
}

static void *receive_all(void *argument) {
    load_t *load = argument;
    uint64_t next = clock_ns(CLOCK_MONOTONIC);
    while (!__atomic_load_n(&load->stopping, __ATOMIC_RELAXED)) {
        pthread_mutex_lock(&load->lock);
        size_t count = load->sink_count;
        for (size_t at = 0; at < count; at++)
            read_sink(load, &load->sinks[at]);
        pthread_mutex_unlock(&load->lock);
        next += POLL_NS * (1 + count / SINKS_PER_POLL);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (next < now)
            next = now;
        sleep_until(next);
    }
    return NULL;
}

int load_start(load_t *load) {
    int error = pthread_create(&load->receiving, NULL, receive_all, load);
    if (error)
        return error;
    error = pthread_create(&load->sending, NULL, send_all, load);
    if (error) {
        __atomic_store_n(&load->stopping, true, __ATOMIC_RELAXED);
        pthread_join(load->receiving, NULL);
    }
    load->started = !error;
    return error;
}

void load_stop(load_t *load) {
    if (!load->started)
        return;
    __atomic_store_n(&load->stopping, true, __ATOMIC_RELAXED);
    pthread_join(load->receiving, NULL);
    pthread_join(load->sending, NULL);
    load->started = false;
}

void load_pause(load_t *load, int paused) {
    pthread_mutex_lock(&load->sending_lock);
    load->paused = paused != 0;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    for (size_t at = 0; at < load->source_count; at++)
        /* Each keeps its place between the others. */
        while (load->sources[at].next < now)
            load->sources[at].next += load->sources[at].period;
    pthread_mutex_unlock(&load->sending_lock);
}

void load_mark(load_t *load) {
    pthread_mutex_lock(&load->sending_lock);
    pthread_mutex_lock(&load->lock);
    memset(&load->counters, 0, sizeof load->counters);
    for (size_t at = 0; at < load->sink_count; at++)
        for (size_t stream = 0; stream < load->sinks[at].stream_count; stream++) {
            stream_t *found = &load->sinks[at].streams[stream];
            found->packets = 0;
            found->first = found->highest + 1;
        }
    pthread_mutex_unlock(&load->lock);
    pthread_mutex_unlock(&load->sending_lock);
}

void load_read(load_t *load, counters_t *counters) {
    pthread_mutex_lock(&load->sending_lock);
    pthread_mutex_lock(&load->lock);
    *counters = load->counters;
    for (size_t at = 0; at < load->sink_count; at++)
        for (size_t stream = 0; stream < load->sinks[at].stream_count; stream++) {
            const stream_t *found = &load->sinks[at].streams[stream];
            uint32_t expected = found->highest + 1 - found->first;
            counters->expected += expected;
            if (expected > found->packets)
                counters->missing += expected - found->packets;
        }
    pthread_mutex_unlock(&load->lock);
    pthread_mutex_unlock(&load->sending_lock);
}

size_t load_samples(load_t *load, int64_t *samples, size_t room) {
    pthread_mutex_lock(&load->lock);
    size_t count = load->counters.samples < MAX_SAMPLES ? load->counters.samples : MAX_SAMPLES;
    if (count > room)
        count = room;
    memcpy(samples, load->samples, count * sizeof *samples);
    pthread_mutex_unlock(&load->lock);
    return count;
}
