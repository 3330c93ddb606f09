/* A plane with rows that dice choose, and an SRTP that anybody can forge: for the fuzzer and the race test. */
#ifndef CHATTER_TEST_WORLD_H
#define CHATTER_TEST_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native/plane.h"
#include "native/rtcp.h"

#define TAG 16
#define TRANSPORTS 12
#define SOURCES 16
#define ROUTES 48
#define ADDRESSES 40
#define SSRCS 4

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                         \
        }                                                                                    \
    } while (0)

/* Marsaglia's xorshift64. */
typedef struct dice {
    uint64_t state;
} dice_t;

static inline uint64_t roll(dice_t *dice) {
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return dice->state;
}

static inline size_t below(dice_t *dice, size_t count) {
    return (size_t)(roll(dice) >> 16) % count;
}

static inline bool once_in(dice_t *dice, size_t count) {
    return below(dice, count) == 0;
}

/* A session knows if two threads are in it, and which numbers of each SSRC have been protected. */
#define STREAMS 512
#define SEEN 4096

typedef struct sent_stream {
    uint32_t ssrc;
    bool used;
    int64_t highest;
    int64_t seen[SEEN];
} sent_stream_t;

typedef struct session {
    int busy;
    sent_stream_t *streams;
} session_t;

static session_t *session_new(bool sends) {
    session_t *session = calloc(1, sizeof *session);
    CHECK(session);
    if (sends) {
        session->streams = calloc(STREAMS, sizeof *session->streams);
        CHECK(session->streams);
    }
    return session;
}

static void session_free(session_t *session) {
    if (session) {
        CHECK(!session->busy);
        free(session->streams);
    }
    free(session);
}

static void enter(session_t *session) {
    /* Relaxed, so that ThreadSanitizer sees no order where there is no lock. */
    CHECK(__atomic_exchange_n(&session->busy, 1, __ATOMIC_RELAXED) == 0);
}

static void leave(session_t *session) {
    __atomic_store_n(&session->busy, 0, __ATOMIC_RELAXED);
}

/* Each 48-bit index of a stream is used once (RFC 3711 section 9.1). */
static void note_index(session_t *session, uint32_t ssrc, uint16_t sequence) {
    sent_stream_t *stream = &session->streams[ssrc % STREAMS];
    if (!stream->used || stream->ssrc != ssrc) {
        memset(stream->seen, 0xff, sizeof stream->seen);
        stream->used = true;
        stream->ssrc = ssrc;
        stream->highest = sequence;
        /* Below 2^15, so that the roll-over counter begins unambiguously. */
        CHECK(sequence < 1 << 15);
    }
    int64_t index = stream->highest + (int16_t)(uint16_t)(sequence - (uint16_t)stream->highest);
    CHECK(stream->seen[(uint64_t)index % SEEN] != index);
    CHECK(index > stream->highest - SEND_WINDOW);
    stream->seen[(uint64_t)index % SEEN] = index;
    if (index > stream->highest)
        stream->highest = index;
}

static int fake_protect(void *at, void *data, int *size) {
    session_t *session = at;
    enter(session);
    packet_t packet;
    CHECK(*size >= RTP_HEADER && *size <= MAX_RTP);
    CHECK(rtp_parse(data, (size_t)*size, &packet));
    note_index(session, packet.ssrc, packet.sequence);
    memset((uint8_t *)data + *size, 0x5a, TAG);
    *size += TAG;
    leave(session);
    return SRTP_OK;
}

static int fake_protect_rtcp(void *at, void *data, int *size) {
    session_t *session = at;
    enter(session);
    CHECK(*size >= 8 && *size <= MAX_RTCP);
    memset((uint8_t *)data + *size, 0x5a, TAG + 4);
    *size += TAG + 4;
    leave(session);
    return SRTP_OK;
}

/* Mostly there is no tag to check: whatever gets here has been through libsrtp's checks in earnest. */
static int fake_strip(session_t *session, const uint8_t *data, int *size, int least) {
    enter(session);
    int status = SRTP_OK;
    if (*size < least + TAG)
        status = 2;
    else if (data[*size - 1] == 0xff)
        status = 7 + data[*size - 2] % 4;
    else
        *size -= TAG;
    leave(session);
    return status;
}

static int fake_unprotect(void *session, void *data, int *size) {
    return fake_strip(session, data, size, RTP_HEADER);
}

static int fake_unprotect_rtcp(void *session, void *data, int *size) {
    return fake_strip(session, data, size, 8);
}

static int fake_remove_stream(void *at, unsigned ssrc) {
    session_t *session = at;
    enter(session);
    leave(session);
    return ssrc % 3 ? SRTP_OK : 13;
}

/* OpenSSL's side: a context is a session, too, busy from its nonce to its tag. */
typedef struct context {
    session_t *session;
    uint32_t ssrc;
    uint16_t sequence;
} context_t;

static void *fake_new_context(void) {
    context_t *context = calloc(1, sizeof *context);
    if (context)
        context->session = session_new(true);
    return context;
}

static void fake_free_context(void *at) {
    context_t *context = at;
    if (context)
        session_free(context->session);
    free(context);
}

static int fake_init(void *at, const void *cipher, void *engine, const uint8_t *key, const uint8_t *iv) {
    context_t *context = at;
    CHECK(!engine && !cipher == !key && !key == (iv != NULL));
    if (iv)
        enter(context->session);
    return 1;
}

static int fake_update(void *at, uint8_t *out, int *out_size, const uint8_t *in, int in_size) {
    context_t *context = at;
    if (out) {
        memmove(out, in, (size_t)in_size);
    } else {
        CHECK(in_size >= RTP_HEADER && in_size <= MAX_RTP);
        context->ssrc = read32(in + 8);
        context->sequence = read16(in + 2);
    }
    *out_size = in_size;
    return 1;
}

static int fake_final(void *at, uint8_t *out, int *out_size) {
    context_t *context = at;
    note_index(context->session, context->ssrc, context->sequence);
    *out = 0;
    *out_size = 0;
    return 1;
}

static int fake_control(void *at, int type, int argument, void *pointer) {
    context_t *context = at;
    CHECK(type == 0x10 && argument == TAG);
    memset(pointer, 0x5a, TAG);
    leave(context->session);
    return 1;
}

static const void *fake_cipher(void) {
    return "cipher";
}

static const srtp_t FAKE_SRTP = {
    fake_protect,
    fake_unprotect,
    fake_protect_rtcp,
    fake_unprotect_rtcp,
    fake_remove_stream,
    {
        fake_new_context,
        fake_free_context,
        fake_init,
        fake_update,
        fake_final,
        fake_control,
        fake_cipher,
        fake_cipher,
        fake_cipher,
        fake_cipher,
    },
};

typedef struct world {
    plane_t *plane;
    dice_t dice;
    transport_t *transports[TRANSPORTS];
    source_t *sources[SOURCES];
    route_t *routes[ROUTES];
    address_t addresses[ADDRESSES];
    uint32_t next_ssrc;
    uint16_t sequences[SOURCES + 1]; /* what the sources send next; the last one is nobody's */
    uint64_t closed_packets, closed_resends, closed_drops[DROP_COUNT]; /* of routes that are gone */
} world_t;

static void world_init(world_t *world, plane_t *plane, uint64_t seed) {
    memset(world, 0, sizeof *world);
    world->plane = plane;
    world->dice.state = seed * 0x9e3779b97f4a7c15u + 1;
    world->next_ssrc = 1000;
    for (size_t at = 0; at <= SOURCES; at++)
        world->sequences[at] = (uint16_t)(at * 65533);
    for (size_t at = 0; at < ADDRESSES; at++) {
        char text[ADDRESS_TEXT];
        snprintf(text, sizeof text, at % 2 ? "2001:db8::%zx" : "127.0.0.%zu", at + 1);
        CHECK(address_parse(text, (uint16_t)(5000 + at % 3), &world->addresses[at]));
    }
}

static void drop_route(world_t *world, size_t at) {
    route_t *route = world->routes[at];
    if (!route)
        return;
    uint64_t dropped = 0;
    for (int reason = 0; reason < DROP_COUNT; reason++) {
        dropped += route->drops[reason];
        world->closed_drops[reason] += route->drops[reason];
    }
    CHECK(route->offered == route->packets + dropped);
    world->closed_packets += route->packets;
    world->closed_resends += route->retransmitted;
    route_free(route);
    world->routes[at] = NULL;
}

static void drop_source(world_t *world, size_t at) {
    if (world->sources[at])
        plane_remove_source(world->plane, world->sources[at]);
    world->sources[at] = NULL;
}

static void drop_transport(world_t *world, size_t at) {
    transport_t *transport = world->transports[at];
    if (!transport)
        return;
    for (size_t route = 0; route < ROUTES; route++)
        if (world->routes[route] && world->routes[route]->transport == transport)
            drop_route(world, route);
    for (size_t source = 0; source < SOURCES; source++)
        if (world->sources[source] && world->sources[source]->transport == transport)
            drop_source(world, source);
    plane_release_addresses(world->plane, transport);
    plane_end_probe(world->plane, transport);
    session_t *receive = transport->receive, *send = transport->send.session;
    transport_free(transport);
    session_free(receive);
    session_free(send);
    world->transports[at] = NULL;
}

static void world_clear(world_t *world) {
    for (size_t at = 0; at < TRANSPORTS; at++)
        drop_transport(world, at);
    CHECK(world->plane->addresses.count == 0);
}

static void feed(world_t *world, route_t *route, source_t *source) {
    dice_t *dice = &world->dice;
    feed_t fed = {.source = source, .await_keyframe = once_in(dice, 4), .clocked = once_in(dice, 2)};
    fed.timestamp_delta = once_in(dice, 2) ? (uint32_t)roll(dice) : 0;
    memset(fed.payload_types, NO_PAYLOAD_TYPE, sizeof fed.payload_types);
    for (size_t at = 90; source && at < 128; at++)
        if (!once_in(dice, 8))
            fed.payload_types[at] = (uint8_t)(96 + below(dice, 32));
    for (size_t at = 0; source && at < 8; at++)
        fed.extensions[below(dice, once_in(dice, 2) ? 16 : 256)] = (uint8_t)below(dice, once_in(dice, 2) ? 16 : 256);
    uint8_t repeats[128];
    for (size_t at = 0; at < 128; at++)
        repeats[at] = once_in(dice, 3) ? NO_PAYLOAD_TYPE : (uint8_t)(96 + below(dice, 32));
    feed_repair(&fed, route, source && !once_in(dice, 4), repeats);
    route->gate.spatial_limit = once_in(dice, 2) ? ALL_LAYERS : (uint8_t)below(dice, 4);
    route->gate.temporal_limit = once_in(dice, 2) ? ALL_LAYERS : (uint8_t)below(dice, 4);
    const source_t *current = route->feed.source;
    if (current && source && current->transport == source->transport && !once_in(dice, 3))
        route_switch(route, &fed);
    else
        route_feed(route, &fed);
}

/* One change of the rows, as the control side makes them under the plane's lock. */
static void change(world_t *world) {
    dice_t *dice = &world->dice;
    size_t at = below(dice, TRANSPORTS), in = below(dice, SOURCES), to = below(dice, ROUTES);
    transport_t *transport = world->transports[at];
    source_t *source = world->sources[in];
    route_t *route = world->routes[to];
    switch (below(dice, 12)) {
    case 0:
        if (!transport)
            world->transports[at] = transport_new((int64_t)at, (uint32_t)roll(dice));
        else if (once_in(dice, 6))
            drop_transport(world, at);
        break;
    case 1:
    case 2:
        /* Now and then more than one may have. */
        for (size_t count = once_in(dice, 40) ? MAX_ADDRESSES + 4 : 1; transport && count; count--)
            plane_bind(world->plane, transport, &world->addresses[below(dice, ADDRESSES)]);
        break;
    case 3:
        if (transport && once_in(dice, 3))
            plane_unbind(world->plane, transport, &world->addresses[below(dice, ADDRESSES)]);
        break;
    case 4:
        if (transport && !transport->receive) {
            transport->receive = session_new(false);
            transport->send.session = session_new(true);
            uint8_t key[GCM_MAX_KEY] = {0}, salt[GCM_SALT] = {0};
            if (!once_in(dice, 3))
                transport->send.gcm = gcm_new(&world->plane->srtp.evp, key, once_in(dice, 2) ? 16 : 32, salt);
        }
        break;
    case 5:
    case 6: {
        uint32_t ssrc = 1 + (uint32_t)below(dice, SSRCS);
        if (source && once_in(dice, 4))
            drop_source(world, in);
        else if (!source && transport && !transport_source(transport, ssrc)) {
            source = world->sources[in] = source_new(transport, (int64_t)in, ssrc, once_in(dice, 9) ? 0 : 90000);
            if (!source)
                break;
            source->is_video = !once_in(dice, 3);
            if (!once_in(dice, 3) && transport_note_arrivals(transport))
                source->transport_wide_id = (uint8_t)(1 + below(dice, 4));
            source->descriptor_id = (uint8_t)below(dice, 4);
            source->marking_id = (uint8_t)below(dice, 4);
            source->audio_level_id = (uint8_t)below(dice, 4);
            for (size_t type = 90; type < 128; type++) {
                source->codecs[type] = (uint8_t)below(dice, CODEC_AV1 + 1);
                source->rtx_payload_types[type] = (uint8_t)(96 + below(dice, 32));
            }
            if (!once_in(dice, 3) && (source->missing = calloc(1, sizeof *source->missing)))
                source->missing->max_age = MAX_AGE_VIDEO;
            if (!once_in(dice, 3))
                source_set_rtx(world->plane, source, 100 + (uint32_t)in);
        }
        break;
    }
    case 7:
        if (route && once_in(dice, 4)) {
            drop_route(world, to);
        } else if (!route && transport) {
            route = world->routes[to] =
                route_new(transport, world->next_ssrc++, 90000, (uint16_t)below(dice, 1 << 15));
            if (route && !once_in(dice, 4)) {
                route->has_rtx = true;
                route->rtx_ssrc = world->next_ssrc++;
                route->rtx_sequence = (int64_t)below(dice, 1 << 15);
            }
            if (route && once_in(dice, 2) && transport_note_sent(transport))
                route->transport_wide_id = (uint8_t)(1 + below(dice, once_in(dice, 2) ? 14 : 255));
            if (route && once_in(dice, 4))
                route->abs_send_time_id = (uint8_t)(1 + below(dice, 255));
            if (route && once_in(dice, 2)) {
                route->mid_id = (uint8_t)(1 + below(dice, once_in(dice, 2) ? 14 : 255));
                route->mid_size = (uint8_t)(1 + below(dice, once_in(dice, 2) ? 16 : 255));
                memset(route->mid, 'm', route->mid_size);
            }
        }
        break;
    case 8:
    case 9:
    case 10:
        if (source && once_in(dice, 4))
            source_hold(source, !source->held);
        if (route)
            feed(world, route, once_in(dice, 10) ? NULL : source);
        break;
    default:
        if (route)
            route_pause(route, once_in(dice, 3));
    }
}

/* Transport-wide feedback, or what looks like it: any chunks, any arrival times. */
static size_t make_feedback(dice_t *dice, uint8_t *out, size_t room) {
    size_t size = 8;
    write32(out, 0x80c90001);
    write32(out + 4, (uint32_t)below(dice, 200));
    for (size_t messages = 1 + below(dice, 3); messages; messages--) {
        size_t words = below(dice, once_in(dice, 8) ? 300 : 40);
        if (size + 4 + 4 * words + TAG > room)
            break;
        uint8_t *message = out + size;
        message[0] = 0x80 | TWCC_FORMAT | (once_in(dice, 3) ? RTP_PADDING : 0);
        message[1] = TWCC_PACKET_TYPE;
        write16(message + 2, (uint16_t)(once_in(dice, 30) ? words + 1 : words));
        for (size_t at = 4; at < 4 + 4 * words; at++)
            message[at] = once_in(dice, 2) ? (uint8_t)roll(dice) : (uint8_t)below(dice, 4);
        if (words > 3) {
            write16(message + 12, (uint16_t)below(dice, once_in(dice, 4) ? 65536 : 300));
            write16(message + 14, (uint16_t)below(dice, once_in(dice, 4) ? 65536 : 100));
            write32(message + 16, (uint32_t)below(dice, 1000) << 8);
        }
        if (words)
            message[4 * words + 3] = (uint8_t)below(dice, once_in(dice, 4) ? 256 : 5);
        size += 4 + 4 * words;
    }
    memset(out + size, 2, TAG);
    return size + TAG;
}

/* Write a datagram that a client or an attacker might send, of up to `room` bytes; its size. */
static size_t make_datagram(dice_t *dice, uint16_t *sequence, uint32_t ssrc, uint8_t *out, size_t room) {
    static const uint8_t firsts[] = {0, 3, 4, 19, 20, 63, 64, 127, 128, 144, 176, 191, 192, 255};
    static const uint8_t heads[][6] = {
        {0x10, 0}, {0x10, 1}, {0x90, 0x80, 0x81, 1, 0}, {0x90, 0xf0, 0x81, 1, 0x22, 0}, {8, 0}, {0xa8, 0x81, 1, 4},
        {0x67}, {0x78, 0, 1, 0x67}, {0x78, 0, 2, 0x41, 0x42}, {0x18, 0xff, 0xff}, {8, 0x0a}, {0x88, 0},
    };
    size_t size = 0;
    if (once_in(dice, 16)) {
        size = below(dice, once_in(dice, 2) ? 32 : room);
        for (size_t at = 0; at < size; at++)
            out[at] = (uint8_t)roll(dice);
        if (size)
            out[0] = firsts[below(dice, sizeof firsts)];
        return size;
    }
    if (once_in(dice, 16))
        return make_feedback(dice, out, room);
    if (once_in(dice, 16)) {
        size = 8 + 4 * below(dice, 40);
        memset(out, 0, size);
        out[0] = 0x80;
        out[1] = (uint8_t)(192 + below(dice, 32));
        write32(out + 4, (uint32_t)below(dice, 200));
        return size + TAG;
    }
    static const int steps[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2, -1, -2, 50, -127, -128, 130, -1024, 2999, 3000, 20000};
    *sequence = (uint16_t)(*sequence + steps[below(dice, sizeof steps / sizeof *steps)]);
    uint8_t contributors = once_in(dice, 4) ? (uint8_t)below(dice, 16) : 0;
    bool extension = once_in(dice, 2), padding = once_in(dice, 8);
    out[0] = (uint8_t)(0x80 | contributors | (extension ? RTP_EXTENSION : 0) | (padding ? RTP_PADDING : 0));
    out[1] = (uint8_t)((once_in(dice, 3) ? RTP_MARKER : 0) | (96 + below(dice, 32)));
    write16(out + 2, *sequence);
    write32(out + 4, (uint32_t)(*sequence / 4 * 3000) + (once_in(dice, 30) ? (uint32_t)roll(dice) : 0));
    write32(out + 8, once_in(dice, 20) ? 1 + (uint32_t)below(dice, 200) : ssrc);
    size = RTP_HEADER + 4 * (size_t)contributors;
    memset(out + RTP_HEADER, 7, size - RTP_HEADER);
    if (extension) {
        size_t words = below(dice, once_in(dice, 8) ? 80 : 8);
        write16(out + size, once_in(dice, 2) ? 0xBEDE : (uint16_t)(0x1000 + below(dice, 17)));
        write16(out + size + 2, (uint16_t)(once_in(dice, 30) ? roll(dice) : words));
        uint8_t *at = out + size + 4, *end = at + 4 * words;
        size += 4 + 4 * words;
        bool two = out[size - 4 * words - 4] == 0x10;
        while (at < end) {
            if (once_in(dice, 5)) {
                *at++ = once_in(dice, 3) ? (uint8_t)roll(dice) : 0;
                continue;
            }
            size_t length = 1 + below(dice, once_in(dice, 4) ? 60 : 4);
            if (!two)
                *at++ = (uint8_t)(below(dice, 16) << 4 | (length - 1) % 16);
            else if (end - at > 1) {
                *at++ = (uint8_t)(1 + below(dice, 16));
                *at++ = (uint8_t)length;
            } else
                *at++ = 0;
            for (; length && at < end; length--)
                *at++ = (uint8_t)roll(dice);
        }
    }
    const uint8_t *head = heads[below(dice, sizeof heads / sizeof *heads)];
    size_t part = below(dice, 7);
    memcpy(out + size, head, part < 6 ? part : 6);
    size += part < 6 ? part : 6;
    if (!once_in(dice, 4)) {
        size_t more = once_in(dice, 3) ? below(dice, room - size) : below(dice, 60);
        memset(out + size, once_in(dice, 9) ? 0xff : 1, more);
        size += more;
    }
    if (padding && size)
        out[size - 1] = (uint8_t)below(dice, once_in(dice, 2) ? 4 : 256);
    if (size + TAG <= room) {
        memset(out + size, once_in(dice, 20) ? 0xff : 2, TAG);
        size += TAG;
    }
    /* On the way. */
    if (once_in(dice, 12))
        size = below(dice, size + 1);
    for (size_t flips = once_in(dice, 6) ? 1 + below(dice, 4) : 0; flips && size; flips--)
        out[below(dice, size < 40 || once_in(dice, 2) ? size : 40)] ^= (uint8_t)(1 << below(dice, 8));
    return size;
}

/* A NACK of a route that lives, of what it has sent lately. */
static size_t make_nack(dice_t *dice, const route_t *route, uint8_t *out) {
    int64_t numbers[20];
    size_t count = 1 + below(dice, 20);
    int64_t number = route->highest - (int64_t)below(dice, once_in(dice, 4) ? 600 : 40);
    for (size_t at = 0; at < count; at++)
        numbers[at] = number += 1 + (int64_t)below(dice, 3);
    size_t size = rtcp_write_nack(out, 1, route->ssrc, numbers, count);
    if (once_in(dice, 8))
        out[below(dice, size)] = (uint8_t)roll(dice);
    memset(out + size, 2, TAG);
    return size + TAG;
}

/* RTX of a source: of its newest packets. */
static size_t make_rtx(dice_t *dice, const source_t *source, uint16_t sequence, uint8_t *out) {
    size_t size = RTP_HEADER + below(dice, 40);
    memset(out, 1, size + TAG);
    out[0] = 0x80 | (once_in(dice, 8) ? RTP_PADDING : 0);
    out[1] = (uint8_t)(96 + below(dice, 32));
    write16(out + 2, (uint16_t)roll(dice));
    write32(out + 4, (uint32_t)(sequence / 4 * 3000));
    write32(out + 8, source->rtx_ssrc);
    if (size >= RTP_HEADER + 2)
        write16(out + RTP_HEADER, (uint16_t)(sequence - below(dice, once_in(dice, 4) ? 1100 : 30)));
    return size + TAG;
}

/* A datagram of a source that lives, mostly, and where it comes from. */
static size_t next_datagram(world_t *world, uint8_t *out, size_t room, address_t *from) {
    dice_t *dice = &world->dice;
    size_t at = below(dice, SOURCES);
    for (size_t tries = 0; tries < SOURCES && !world->sources[at]; tries++)
        at = (at + 1) % SOURCES;
    const source_t *source = once_in(dice, 16) ? NULL : world->sources[at];
    *from = world->addresses[below(dice, ADDRESSES)];
    if (source && source->transport->address_count && !once_in(dice, 16))
        *from = source->transport->addresses[below(dice, source->transport->address_count)];
    const route_t *route = once_in(dice, 12) ? world->routes[below(dice, ROUTES)] : NULL;
    if (route && route->transport->address_count) {
        *from = route->transport->addresses[below(dice, route->transport->address_count)];
        return make_nack(dice, route, out);
    }
    if (source && source->has_rtx && once_in(dice, 6))
        return make_rtx(dice, source, world->sequences[at], out);
    uint32_t ssrc = source ? source->ssrc : 1 + (uint32_t)below(dice, SSRCS);
    return make_datagram(dice, &world->sequences[source ? at : SOURCES], ssrc, out, room);
}

#endif
