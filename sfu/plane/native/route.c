#include "route.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plane.h"

/* A source whose clock is this far off the time that passed, in seconds, has set its timestamps anew. */
#define MAX_CLOCK_ERROR 1.0
/* A switch advances the timestamp by at least a hundredth of a second, so that frames stay apart. */
#define MIN_STEPS_PER_SECOND 100
/* abs-send-time counts seconds with 18 bits of fraction, in 24 bits. */
#define ABS_SEND_TIME_STEPS 262144.0

route_t *route_new(transport_t *transport, uint32_t ssrc, uint32_t clock_rate, uint16_t first_sequence) {
    if (transport->route_count == transport->route_room) {
        size_t room = transport->route_room ? transport->route_room * 2 : 4;
        route_t **routes = realloc(transport->routes, room * sizeof(route_t *));
        if (!routes)
            return NULL;
        transport->routes = routes;
        transport->route_room = room;
    }
    route_t *route = calloc(1, sizeof *route);
    if (!route)
        return NULL;
    transport->routes[transport->route_count++] = route;
    route->transport = transport;
    route->ssrc = ssrc;
    route->clock_rate = clock_rate;
    route->first_sequence = first_sequence;
    route->starting = true;
    route->padding_type = NO_PAYLOAD_TYPE;
    gate_init(&route->gate);
    return route;
}

static void detach(route_t *route, source_t *source) {
    if (!source)
        return;
    size_t at = 0;
    while (source->routes[at] != route)
        at++;
    source->route_count--;
    memmove(source->routes + at, source->routes + at + 1, (source->route_count - at) * sizeof *source->routes);
}

/* Make sure that one more route can be attached. */
static bool make_room(source_t *source) {
    if (!source || source->route_count < source->route_room)
        return true;
    size_t room = source->route_room ? source->route_room * 2 : 4;
    route_t **routes = realloc(source->routes, room * sizeof(route_t *));
    if (!routes)
        return false;
    source->routes = routes;
    source->route_room = room;
    return true;
}

static void cancel_switch(route_t *route) {
    detach(route, route->next.source);
    route->next.source = NULL;
}

static void forget(route_t *route) {
    history_free(route->kept);
    route->kept = NULL;
}

void feed_repair(feed_t *feed, const route_t *route, bool nack, const uint8_t rtx_payload_types[128]) {
    feed->nack = nack;
    feed->rebuilds = false;
    memset(feed->rtx_payload_types, NO_PAYLOAD_TYPE, sizeof feed->rtx_payload_types);
    for (size_t at = 0; nack && route->has_rtx && at < 128; at++) {
        feed->rtx_payload_types[at] = rtx_payload_types[at];
        feed->rebuilds |= rtx_payload_types[at] != NO_PAYLOAD_TYPE;
    }
}

/* Carry what is attached already. */
static void carry(route_t *route, const feed_t *feed) {
    if (!feed->source || route->feed.source != feed->source) {
        /* Where the clocks of both are known, the offset is. */
        route->anchored = route->anchored && feed->source && feed->clocked;
        route->timestamp_offset += feed->timestamp_delta;
    }
    route->starting = true;
    route->awaiting_keyframe = feed->source && feed->await_keyframe;
    if (feed->source) {
        route->feed = *feed;
    } else {
        route->feed.source = NULL;
        route->feed.nack = route->feed.rebuilds = false;
    }
    if (!route->feed.nack)
        forget(route);
}

bool route_feed(route_t *route, const feed_t *feed) {
    if (!make_room(feed->source))
        return false;
    source_t *former = route->feed.source, *next = route->next.source;
    cancel_switch(route);
    detach(route, route->feed.source);
    carry(route, feed);
    if (feed->source) {
        feed->source->routes[feed->source->route_count++] = route;
        source_settle(feed->source);
    }
    if (former)
        source_settle(former);
    if (next)
        source_settle(next);
    return true;
}

bool route_switch(route_t *route, const feed_t *feed) {
    if (!route->feed.source)
        return route_feed(route, feed);
    if (!make_room(feed->source))
        return false;
    source_t *next = route->next.source;
    cancel_switch(route);
    if (feed->source != route->feed.source) {
        route->next = *feed;
        feed->source->routes[feed->source->route_count++] = route;
        source_settle(feed->source);
    }
    if (next)
        source_settle(next);
    return true;
}

/* Let go of the current source for the next one. What it keeps may still be asked for: it is not settled. */
static void complete_switch(route_t *route) {
    source_t *former = route->feed.source;
    carry(route, &route->next);
    route->next.source = NULL;
    detach(route, former);
}

void route_lose(route_t *route, source_t *source) {
    if (route->next.source == source) {
        /* Its history ends with it. */
        cancel_switch(route);
    } else if (route->next.source) {
        /* Nothing is left to go on with until the keyframe comes. */
        complete_switch(route);
    } else {
        static const feed_t nothing = {0};
        route_feed(route, &nothing);
    }
}

void route_pause(route_t *route, bool paused) {
    if (route->paused && !paused) {
        route->starting = true;
        bool video = route->feed.source && route->feed.source->is_video;
        route->awaiting_keyframe = route->feed.source && (route->awaiting_keyframe || video);
    }
    route->paused = paused;
}

void route_free(route_t *route) {
    source_t *current = route->feed.source, *next = route->next.source;
    cancel_switch(route);
    detach(route, route->feed.source);
    if (current)
        source_settle(current);
    if (next)
        source_settle(next);
    transport_t *transport = route->transport;
    for (size_t at = 0; at < transport->route_count; at++)
        if (transport->routes[at] == route) {
            transport->routes[at] = transport->routes[--transport->route_count];
            break;
        }
    forget(route);
    free(route->remembered);
    free(route);
}

/* The offset with which the timestamps go on from the newest one sent. */
static uint32_t anchor_timestamp(const route_t *route, const packet_t *packet, double now) {
    if (!route->sent)
        return 0;
    double rate = route->clock_rate;
    /* Halves go to even, as Python rounds. */
    int64_t elapsed = (int64_t)nearbyint((now - route->last_now) * rate);
    if (route->anchored) {
        /* The same source goes on. Its own clock tells better than arrival times what has passed. */
        int64_t advance = (int32_t)(packet->timestamp + route->timestamp_offset - route->last_timestamp);
        if (advance > 0 && fabs((double)(advance - elapsed)) <= MAX_CLOCK_ERROR * rate)
            return route->timestamp_offset;
    }
    int64_t step = route->clock_rate / MIN_STEPS_PER_SECOND;
    if (elapsed > step)
        step = elapsed;
    if (step < 1)
        step = 1;
    return (uint32_t)(route->last_timestamp + step - packet->timestamp);
}

/* The elements that are the server's own on each transport; their number. */
static size_t own_elements(
    const route_t *route, double now, element_t own[3], uint8_t send_time[3], uint8_t number[2]) {
    size_t count = 0;
    if (route->mid_id)
        own[count++] = (element_t){route->mid_id, route->mid_size, route->mid};
    if (route->abs_send_time_id) {
        uint64_t time = (uint64_t)(now * ABS_SEND_TIME_STEPS);
        send_time[0] = (uint8_t)(time >> 16);
        write16(send_time + 1, (uint16_t)time);
        own[count++] = (element_t){route->abs_send_time_id, 3, send_time};
    }
    if (route->transport_wide_id) {
        write16(number, (uint16_t)route->transport->sent->next);
        own[count++] = (element_t){route->transport_wide_id, 2, number};
    }
    return count;
}

/* Write the packet's bytes but for its number; their end, NULL where they are too many. `passes` is false for one that comes
 * late and is not wanted: it has a place among the numbers, as it was taken for lost, and what fills that is a
 * packet of padding alone. `repeated` makes RTX of it (RFC 4588 section 4), NULL sends it for the first time. */
static uint8_t *write_packet(
    const route_t *route,
    const packet_t *packet,
    double now,
    bool passes,
    picture_numbers_t pictures,
    bool pad,
    const remembered_t *repeated,
    uint8_t *plain,
    size_t *header) {
    static const uint8_t none[256];
    uint8_t payload_type = repeated ? route->feed.rtx_payload_types[repeated->payload_type]
                                    : route->feed.payload_types[packet->payload_type];
    uint8_t send_time[3], number[2];
    element_t own[3];
    size_t own_count = own_elements(route, now, own, send_time, number);
    uint8_t *at = plain + RTP_HEADER;
    if (!passes) {
        int block = rtp_write_extensions(packet, none, own, own_count, 0, at, MAX_RTP - RTP_HEADER - 1);
        plain[0] = (uint8_t)(0x80 | RTP_PADDING | (block ? RTP_EXTENSION : 0));
        plain[1] = payload_type;
        at += block;
        *header = (size_t)(at - plain);
        *at++ = 1;
        return at;
    }
    const layering_t *layering = &packet->layering;
    size_t contributors = packet->extension - RTP_HEADER, payload = (size_t)packet->size - packet->payload;
    size_t fixed = RTP_HEADER + contributors + payload + (repeated ? 2 : 0);
    if (fixed > MAX_RTP)
        return NULL;
    memcpy(at, packet->data + RTP_HEADER, contributors);
    at += contributors;
    int block = rtp_write_extensions(
        packet,
        route->feed.extensions,
        own,
        own_count,
        pictures.frame,
        at,
        MAX_RTP - fixed);
    if (block < 0)
        return NULL;
    at += block;
    *header = (size_t)(at - plain);
    if (repeated) {
        write16(at, (uint16_t)repeated->number);
        at += 2;
    }
    memcpy(at, packet->data + packet->payload, payload);
    if (layering->picture_bits == 15)
        write16(at + layering->picture_at - packet->payload, 0x8000 | pictures.id);
    else if (layering->picture_bits)
        at[layering->picture_at - packet->payload] = pictures.id & 0x7F;
    if (layering->tl0_at)
        at[layering->tl0_at - packet->payload] = pictures.tl0;
    at += payload;
    uint8_t marker = gate_ends_picture(&route->gate, layering) ? RTP_MARKER : packet->data[1] & RTP_MARKER;
    if (repeated)
        marker = repeated->marker;
    plain[0] = (uint8_t)((packet->data[0] & ~RTP_EXTENSION) | (block ? RTP_EXTENSION : 0));
    plain[1] = marker | payload_type;
    if (pad && at - plain < MAX_PADDED_RTP && !(plain[0] & RTP_PADDING)) {
        plain[0] |= RTP_PADDING;
        *at++ = 1;
    }
    return at;
}

/* Note a packet that was sent, so that it can be sent again. Where memory is out it cannot. */
static void remember(
    route_t *route,
    const packet_t *packet,
    uint8_t payload_type,
    uint8_t marker,
    picture_numbers_t pictures,
    int64_t sequence,
    uint32_t timestamp,
    const uint8_t *protected,
    size_t size,
    double now,
    history_limits_t *limits) {
    if (!route->remembered && !(route->remembered = calloc(REMEMBERED, sizeof *route->remembered)))
        return;
    route->remembered[(uint64_t)sequence % REMEMBERED] = (remembered_t){
        .number = sequence,
        .source = packet->source,
        .extended = packet->extended,
        .timestamp = timestamp,
        .pictures = pictures,
        .payload_type = payload_type,
        .marker = marker,
        .used = true,
    };
    if (route->feed.rtx_payload_types[payload_type] != NO_PAYLOAD_TYPE)
        return;
    if (!route->kept && !(route->kept = history_new(limits)))
        return;
    history_put(route->kept, sequence, protected, size, now);
}

static drop_t send_packet(
    route_t *route,
    source_t *source,
    const packet_t *packet,
    double now,
    bool pad,
    const srtp_t *srtp,
    out_t *out) {
    if (route->paused)
        return DROP_ROUTE_PAUSED;
    if (source->held)
        return DROP_NOT_LOUDEST;
    const feed_t *feed = source == route->feed.source ? &route->feed : &route->next;
    if (feed->payload_types[packet->payload_type] == NO_PAYLOAD_TYPE)
        return DROP_NO_PAYLOAD_TYPE;
    const transport_t *transport = route->transport;
    if (!transport->addressed)
        return DROP_NO_ADDRESS;
    if (!transport->send.session)
        return DROP_NO_KEYS;
    if (feed == &route->next) {
        if (!packet->starts)
            return DROP_AWAITING_KEYFRAME;
        complete_switch(route);
    }
    bool starting = route->starting, newest = true;
    int64_t sequence = 0;
    if (starting) {
        if (route->awaiting_keyframe && !packet->starts)
            return DROP_AWAITING_KEYFRAME;
    } else if (packet->extended < route->start) {
        return DROP_BEFORE_START;
    } else {
        sequence = number_map_sent(&route->numbers, packet->extended);
        newest = packet->extended > route->numbers.highest;
        int64_t ahead = sequence - route->highest;
        if (ahead <= -SEND_WINDOW)
            return DROP_TOO_LATE;
        /* The source has restarted, or nothing could be sent for a while. Sent as it is, a long jump would put
         * the roll-over counters of both sides out of step. */
        starting = ahead >= MAX_DROPOUT;
    }
    const layering_t *layering = &packet->layering;
    if (starting) {
        newest = true;
        gate_start(&route->gate);
        pictures_start(&route->pictures);
    }
    bool passes = gate_passes(
        &route->gate, layering, source->structure, packet->timestamp, packet->starts, newest);
    if (passes && !newest && pictures_dropped(&route->pictures, layering))
        passes = false;
    if (!passes && newest) {
        if (!starting) {
            pictures_drop(&route->pictures, layering);
            number_map_drop(&route->numbers, packet->extended);
        }
        return DROP_LAYER_NOT_WANTED;
    }
    uint32_t offset = route->timestamp_offset;
    if (starting) {
        sequence = route->sent ? route->highest + 1 : route->first_sequence;
        offset = anchor_timestamp(route, packet, now);
    }
    uint32_t timestamp = packet->timestamp + offset;
    picture_numbers_t pictures = {0};
    if (passes)
        pictures = pictures_of(&route->pictures, layering, packet->starts && newest);
    uint8_t *plain = out_room(out);
    size_t header;
    const uint8_t *end = write_packet(route, packet, now, passes, pictures, pad, NULL, plain, &header);
    if (!end)
        return DROP_TOO_LARGE;
    write16(plain + 2, (uint16_t)sequence);
    write32(plain + 4, timestamp);
    write32(plain + 8, route->ssrc);
    uint8_t payload_type = plain[1] & 0x7F;
    size_t size = (size_t)(end - plain), plain_size = size;
    if (!srtp_protect_rtp(srtp, &transport->send, &route->window, sequence, plain, header, &size))
        return DROP_SRTP_PROTECT;
    out_push(out, &transport->address, size);
    if (route->transport_wide_id)
        sent_packet(transport->sent, size, now);
    if (route->feed.nack && passes)
        remember(
            route,
            packet,
            payload_type,
            plain[1] & RTP_MARKER,
            pictures,
            sequence,
            timestamp,
            plain,
            size,
            now,
            &out->plane->limits);
    /* Nothing before this line has changed the mapping: a packet that was not sent anchors nothing. */
    if (starting) {
        route->start = packet->extended;
        number_map_anchor(&route->numbers, packet->extended, sequence);
        route->timestamp_offset = offset;
        route->anchored = true;
        route->starting = route->awaiting_keyframe = false;
    }
    number_map_advance(&route->numbers, packet->extended);
    if (passes && newest)
        pictures_sent(&route->pictures, layering);
    if (!route->sent || sequence > route->highest) {
        route->highest = sequence;
        route->last_timestamp = timestamp;
        route->last_now = now;
        route->sent = true;
    }
    uint8_t rtx = route->feed.rtx_payload_types[payload_type];
    if (rtx != NO_PAYLOAD_TYPE)
        route->padding_type = rtx;
    if (!route->packets)
        route->first_sent = now;
    route->packets++;
    route->bytes += plain_size;
    if (passes)
        route->payload_bytes += (uint64_t)(packet->end - packet->payload);
    return DROP_NONE;
}

drop_t route_forward(
    route_t *route,
    source_t *source,
    const packet_t *packet,
    double now,
    bool pad,
    const srtp_t *srtp,
    out_t *out) {
    route->offered++;
    drop_t reason = send_packet(route, source, packet, now, pad, srtp, out);
    if (reason != DROP_NONE)
        route->drops[reason]++;
    return reason;
}

/* The packet that a source of the publisher that feeds the route got under a number. False where it is not there. */
static bool find(const route_t *route, const remembered_t *sent, double now, packet_t *packet) {
    const transport_t *publisher = route->feed.source ? route->feed.source->transport : NULL;
    for (size_t at = 0; publisher && at < publisher->source_count; at++) {
        const source_t *source = publisher->sources[at];
        if (source->id != sent->source)
            continue;
        size_t size = 0;
        const uint8_t *data = source->history ? history_get(source->history, sent->extended, now, &size) : NULL;
        if (!data || !rtp_parse(data, size, packet))
            return false;
        source_read_places(source, packet);
        return true;
    }
    return false;
}

/* Bytes of what was sent again, 0 where nothing could be. */
static size_t send_again(route_t *route, const remembered_t *sent, double now, const srtp_t *srtp, out_t *out) {
    const transport_t *transport = route->transport;
    if (!transport->addressed || !transport->send.session)
        return 0;
    size_t size = 0, header;
    const uint8_t *kept = route->kept ? history_get(route->kept, sent->number, now, &size) : NULL;
    if (kept) {
        memcpy(out_room(out), kept, size);
        out_push(out, &transport->address, size);
        return size;
    }
    packet_t packet;
    if (route->feed.rtx_payload_types[sent->payload_type] == NO_PAYLOAD_TYPE || !find(route, sent, now, &packet))
        return 0;
    uint8_t *plain = out_room(out);
    const uint8_t *end = write_packet(route, &packet, now, true, sent->pictures, false, sent, plain, &header);
    if (!end)
        return 0;
    write16(plain + 2, (uint16_t)route->rtx_sequence);
    write32(plain + 4, sent->timestamp);
    write32(plain + 8, route->rtx_ssrc);
    size_t plain_size = size = (size_t)(end - plain);
    if (!srtp_protect_rtp(srtp, &transport->send, &route->rtx_window, route->rtx_sequence, plain, header, &size))
        return 0;
    route->rtx_sequence++;
    out_push(out, &transport->address, size);
    if (route->transport_wide_id)
        sent_packet(transport->sent, size, now);
    return plain_size;
}

size_t route_pad(route_t *route, double now, const srtp_t *srtp, out_t *out) {
    const transport_t *transport = route->transport;
    if (!transport->addressed || !transport->send.session)
        return 0;
    static const uint8_t none[256];
    static const packet_t nothing = {0};
    uint8_t send_time[3], number[2];
    element_t own[3];
    size_t own_count = own_elements(route, now, own, send_time, number);
    uint8_t *plain = out_room(out);
    int block = rtp_write_extensions(
        &nothing, none, own, own_count, 0, plain + RTP_HEADER, MAX_RTP - RTP_HEADER - PADDING);
    if (block < 0)
        return 0;
    size_t header = RTP_HEADER + (size_t)block, plain_size = header + PADDING, size = plain_size;
    plain[0] = 0x80 | RTP_PADDING | RTP_EXTENSION;
    plain[1] = route->padding_type;
    write16(plain + 2, (uint16_t)route->rtx_sequence);
    write32(plain + 4, route->last_timestamp);
    write32(plain + 8, route->rtx_ssrc);
    memset(plain + header, 0, PADDING - 1);
    plain[plain_size - 1] = PADDING;
    if (!srtp_protect_rtp(srtp, &transport->send, &route->rtx_window, route->rtx_sequence, plain, header, &size))
        return 0;
    route->rtx_sequence++;
    out_push(out, &transport->address, size);
    sent_packet(transport->sent, size, now);
    route->padding++;
    route->padding_bytes += plain_size;
    return plain_size;
}

void route_resend(
    route_t *route, uint16_t number, double now, const srtp_t *srtp, out_t *out, uint64_t repairs[REPAIR_COUNT]) {
    int64_t extended = route->highest + (int16_t)(uint16_t)(number - (uint16_t)route->highest);
    remembered_t *sent = route->remembered ? &route->remembered[(uint64_t)extended % REMEMBERED] : NULL;
    if (sent && (!sent->used || sent->number != extended))
        sent = NULL;
    if (sent && sent->resends &&
        (sent->resends >= MAX_RESENDS || now - sent->resent_at < route->transport->round_trip_time)) {
        route->throttled++;
        repairs[REPAIR_RETRANSMISSIONS_THROTTLED]++;
        return;
    }
    size_t size = sent ? send_again(route, sent, now, srtp, out) : 0;
    if (!size) {
        route->missed++;
        repairs[REPAIR_RETRANSMISSIONS_MISSED]++;
        return;
    }
    sent->resends++;
    sent->resent_at = now;
    route->retransmitted++;
    route->retransmitted_bytes += size;
    repairs[REPAIR_PACKETS_RETRANSMITTED]++;
    repairs[REPAIR_BYTES_RETRANSMITTED] += size;
}
