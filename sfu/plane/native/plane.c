#include "plane.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "rtcp.h"

/* Bytes of the smallest SRTCP packet: header, SSRC, index, the shortest tag (RFC 3711 section 3.4). */
#define MIN_SRTCP (8 + 4 + 10)

static void init_locks(plane_t *plane) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* The control side waits for one batch at the most, however busy the lanes are. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&plane->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&plane->punt_lock, NULL);
    pthread_mutex_init(&plane->gap_lock, NULL);
    pthread_mutex_init(&plane->probe_lock, NULL);
}

bool plane_init(plane_t *plane, const srtp_t *srtp, uint64_t seed) {
    memset(plane, 0, sizeof *plane);
    plane->srtp = *srtp;
    plane->punts_end = &plane->punts;
    plane->kept_end = &plane->kept;
    plane->limits = (history_limits_t){.seconds = 1.0, .max_bytes = 256 << 20};
    lane_init(&plane->control, plane, plane_keep, NULL);
    init_locks(plane);
    return address_table_init(&plane->addresses, seed);
}

void plane_free(plane_t *plane) {
    for (punt_t *punt = plane_take_punts(plane), *next; punt; punt = next) {
        next = punt->next;
        free(punt);
    }
    for (kept_t *kept = plane_take_kept(plane), *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    address_table_free(&plane->addresses);
    free(plane->gaps);
    free(plane->probes);
    pthread_rwlock_destroy(&plane->lock);
    pthread_mutex_destroy(&plane->punt_lock);
    pthread_mutex_destroy(&plane->gap_lock);
    pthread_mutex_destroy(&plane->probe_lock);
}

void plane_forked(plane_t *plane) {
    init_locks(plane);
    /* One may have been half in the list. */
    plane->punts = NULL;
    plane->punts_end = &plane->punts;
    plane->punt_count = 0;
}

void lane_init(lane_t *lane, plane_t *plane, void (*flush)(out_t *), void *owner) {
    lane->plane = plane;
    lane->out.plane = plane;
    lane->out.flush = flush;
    lane->out.owner = owner;
}

/* Paths */

static address_t *path_of(plane_t *plane, const address_t *address) {
    return &plane->paths[address_hash(plane->addresses.seed, address) % PATHS];
}

/* The address, with the local one that it reaches where that is known. */
static address_t recall(plane_t *plane, const address_t *address) {
    const address_t *path = path_of(plane, address);
    return path->has_local && address_equal(path, address) ? *path : *address;
}

/* Rows */

transport_t *transport_new(int64_t id, uint32_t ssrc) {
    transport_t *transport = calloc(1, sizeof *transport);
    if (!transport)
        return NULL;
    transport->id = id;
    transport->ssrc = ssrc;
    transport->round_trip_time = ROUND_TRIP_TIME;
    pthread_mutex_init(&transport->receiving, NULL);
    pthread_mutex_init(&transport->sending, NULL);
    return transport;
}

bool transport_note_arrivals(transport_t *transport) {
    if (!transport->arrivals)
        transport->arrivals = arrivals_new();
    return transport->arrivals != NULL;
}

bool transport_note_sent(transport_t *transport) {
    if (!transport->sent)
        transport->sent = sent_new();
    return transport->sent != NULL;
}

void transport_free(transport_t *transport) {
    free(transport->arrivals);
    free(transport->sent);
    pthread_mutex_destroy(&transport->receiving);
    pthread_mutex_destroy(&transport->sending);
    gcm_free(transport->send.gcm);
    free(transport->sources);
    free(transport->routes);
    free(transport);
}

static void release(plane_t *plane, transport_t *transport, size_t at) {
    address_t address = transport->addresses[at];
    address_table_remove(&plane->addresses, &address);
    transport->address_count--;
    memmove(
        transport->addresses + at,
        transport->addresses + at + 1,
        (transport->address_count - at) * sizeof *transport->addresses);
    if (transport->addressed && address_equal(&transport->address, &address)) {
        transport->addressed = transport->address_count > 0;
        if (transport->addressed)
            transport->address = transport->addresses[transport->address_count - 1];
    }
}

void plane_unbind(plane_t *plane, transport_t *transport, const address_t *address) {
    for (size_t at = 0; at < transport->address_count; at++)
        if (address_equal(&transport->addresses[at], address)) {
            release(plane, transport, at);
            return;
        }
}

bool plane_bind(plane_t *plane, transport_t *transport, const address_t *address) {
    transport_t *former = address_table_get(&plane->addresses, address);
    if (former)
        plane_unbind(plane, former, address);
    if (!address_table_set(&plane->addresses, address, transport))
        return false;
    transport->address = recall(plane, address);
    transport->addresses[transport->address_count++] = transport->address;
    transport->addressed = true;
    if (transport->address_count > MAX_ADDRESSES)
        release(plane, transport, 0);
    return true;
}

void plane_release_addresses(plane_t *plane, transport_t *transport) {
    while (transport->address_count)
        release(plane, transport, transport->address_count - 1);
}

source_t *transport_source(const transport_t *transport, uint32_t ssrc) {
    for (size_t at = 0; at < transport->source_count; at++)
        if (transport->sources[at]->ssrc == ssrc)
            return transport->sources[at];
    return NULL;
}

/* The source that is repeated on this SSRC. */
static source_t *repeated_source(const transport_t *transport, uint32_t ssrc) {
    for (size_t at = 0; at < transport->source_count; at++)
        if (transport->sources[at]->has_rtx && transport->sources[at]->rtx_ssrc == ssrc)
            return transport->sources[at];
    return NULL;
}

static void forget_stranger(transport_t *transport, size_t at) {
    transport->stranger_count--;
    memmove(
        transport->strangers + at,
        transport->strangers + at + 1,
        (transport->stranger_count - at) * sizeof *transport->strangers);
}

/* Note that the receiving session keeps state for this SSRC, and bound how many it keeps. */
static void meet(const srtp_t *srtp, transport_t *transport, uint32_t ssrc) {
    if (transport_source(transport, ssrc) || repeated_source(transport, ssrc))
        return;
    for (size_t at = 0; at < transport->stranger_count; at++)
        if (transport->strangers[at] == ssrc)
            return;
    transport->strangers[transport->stranger_count++] = ssrc;
    if (transport->stranger_count > MAX_STRANGERS) {
        uint32_t oldest = transport->strangers[0];
        forget_stranger(transport, 0);
        /* A source that was fed by replay alone has no state to end: the status does not matter. */
        if (transport->receive)
            srtp->remove_stream(transport->receive, htonl(oldest));
    }
}

/* It has a row now. */
static void greet(transport_t *transport, uint32_t ssrc) {
    for (size_t at = 0; at < transport->stranger_count; at++)
        if (transport->strangers[at] == ssrc) {
            forget_stranger(transport, at);
            break;
        }
}

source_t *source_new(transport_t *transport, int64_t id, uint32_t ssrc, uint32_t clock_rate) {
    if (transport->source_count == transport->source_room) {
        size_t room = transport->source_room ? transport->source_room * 2 : 4;
        source_t **sources = realloc(transport->sources, room * sizeof(source_t *));
        if (!sources)
            return NULL;
        transport->sources = sources;
        transport->source_room = room;
    }
    source_t *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->id = id;
    source->transport = transport;
    source->ssrc = ssrc;
    source->reception.clock_rate = clock_rate;
    memset(source->rtx_payload_types, NO_PAYLOAD_TYPE, sizeof source->rtx_payload_types);
    transport->sources[transport->source_count++] = source;
    greet(transport, ssrc);
    return source;
}

void source_set_rtx(plane_t *plane, source_t *source, uint32_t ssrc) {
    bool had = source->has_rtx;
    uint32_t former = source->rtx_ssrc;
    if (had && former == ssrc)
        return;
    source->has_rtx = false;
    if (had)
        meet(&plane->srtp, source->transport, former);
    source->has_rtx = true;
    source->rtx_ssrc = ssrc;
    greet(source->transport, ssrc);
}

void source_hold(source_t *source, bool held) {
    for (size_t at = 0; source->held && !held && at < source->route_count; at++)
        if (source->routes[at]->feed.source == source)
            source->routes[at]->starting = true;
    source->held = held;
}

void source_settle(source_t *source) {
    source->keeps = false;
    for (size_t at = 0; at < source->route_count; at++)
        source->keeps |= (source->routes[at]->feed.source == source ? source->routes[at]->feed.rebuilds
                                                                    : source->routes[at]->next.rebuilds);
    if (!source->keeps) {
        history_free(source->history);
        source->history = NULL;
    }
}

/* Gaps. The flag of a source is read and written under its transport's `receiving`, or with no lane at work. */

static void add_gap(plane_t *plane, source_t *source) {
    if (source->gapped)
        return;
    pthread_mutex_lock(&plane->gap_lock);
    if (plane->gap_count == plane->gap_room) {
        size_t room = plane->gap_room ? plane->gap_room * 2 : 16;
        source_t **gaps = realloc(plane->gaps, room * sizeof(source_t *));
        if (gaps) {
            plane->gaps = gaps;
            plane->gap_room = room;
        }
    }
    /* Where memory is out, the next packet tries again. */
    if (plane->gap_count < plane->gap_room) {
        plane->gaps[plane->gap_count] = source;
        __atomic_store_n(&plane->gap_count, plane->gap_count + 1, __ATOMIC_RELAXED);
        source->gapped = true;
    }
    pthread_mutex_unlock(&plane->gap_lock);
}

static void remove_gap(plane_t *plane, source_t *source) {
    if (!source->gapped)
        return;
    pthread_mutex_lock(&plane->gap_lock);
    size_t at = 0, count = plane->gap_count - 1;
    while (plane->gaps[at] != source)
        at++;
    memmove(plane->gaps + at, plane->gaps + at + 1, (count - at) * sizeof *plane->gaps);
    __atomic_store_n(&plane->gap_count, count, __ATOMIC_RELAXED);
    source->gapped = false;
    pthread_mutex_unlock(&plane->gap_lock);
}

void plane_remove_source(plane_t *plane, source_t *source) {
    while (source->route_count)
        route_lose(source->routes[0], source);
    transport_t *transport = source->transport;
    size_t at = 0;
    while (transport->sources[at] != source)
        at++;
    transport->source_count--;
    memmove(
        transport->sources + at,
        transport->sources + at + 1,
        (transport->source_count - at) * sizeof *transport->sources);
    remove_gap(plane, source);
    if (source->reception.packets)
        meet(&plane->srtp, transport, source->ssrc);
    if (source->has_rtx)
        meet(&plane->srtp, transport, source->rtx_ssrc);
    history_free(source->history);
    free(source->missing);
    free(source->routes);
    free(source->structure);
    free(source);
}

/* Punts */

static void punt(
    lane_t *lane,
    punt_kind_t kind,
    const transport_t *transport,
    int64_t source,
    const address_t *address,
    const uint8_t *data,
    size_t size) {
    plane_t *plane = lane->plane;
    punt_t *punt = malloc(sizeof *punt + size);
    pthread_mutex_lock(&plane->punt_lock);
    if (kind == PUNT_STUN && address->has_local)
        *path_of(plane, address) = *address;
    bool room = punt && plane->punt_count < MAX_PUNTS;
    if (room) {
        punt->next = NULL;
        punt->kind = kind;
        punt->transport = transport ? transport->id : NO_ROW;
        punt->source = source;
        punt->has_address = address != NULL;
        if (address)
            punt->address = *address;
        punt->size = size;
        if (size)
            memcpy(punt->data, data, size);
        *plane->punts_end = punt;
        plane->punts_end = &punt->next;
        plane->punt_count++;
    }
    pthread_mutex_unlock(&plane->punt_lock);
    lane->punted |= room;
    if (!room) {
        free(punt);
        lane->drops[DROP_PUNT_QUEUE_FULL]++;
    }
}

punt_t *plane_take_punts(plane_t *plane) {
    pthread_mutex_lock(&plane->punt_lock);
    punt_t *punts = plane->punts;
    plane->punts = NULL;
    plane->punts_end = &plane->punts;
    plane->punt_count = 0;
    pthread_mutex_unlock(&plane->punt_lock);
    return punts;
}

/* Datagrams in memory */

void plane_keep(out_t *out) {
    plane_t *plane = out->plane;
    for (size_t at = 0; at < out->count; at++) {
        const out_packet_t *packet = &out->packets[at];
        kept_t *kept = malloc(sizeof *kept + packet->size);
        if (!kept) {
            plane->control.drops[DROP_SEND_FAILED]++;
            continue;
        }
        kept->next = NULL;
        kept->address = *packet->address;
        kept->size = packet->size;
        memcpy(kept->data, out->arena + packet->offset, packet->size);
        *plane->kept_end = kept;
        plane->kept_end = &kept->next;
    }
    out->count = out->used = 0;
}

kept_t *plane_take_kept(plane_t *plane) {
    kept_t *kept = plane->kept;
    plane->kept = NULL;
    plane->kept_end = &plane->kept;
    return kept;
}

/* Packets */

/* Bytes of the first RTCP packet in here, 0 where it is none (RFC 3550 section 6.4). */
static size_t rtcp_length(const uint8_t *data, size_t size) {
    if (size < 4 || data[0] >> 6 != 2)
        return 0;
    size_t length = 4 + 4 * (size_t)read16(data + 2);
    return length <= size ? length : 0;
}

/* Before two packets of one transport are worked on by two lanes at once. */
static void hold(lane_t *lane, transport_t *transport, double now) {
    for (size_t at = 0; at < lane->held_count; at++)
        if (lane->held[at] == transport)
            return;
    if (pthread_mutex_trylock(&transport->receiving) != 0) {
        /* Another lane has it. Waiting while holding others could wait for each other for ever. */
        lane_forward(lane, now);
        pthread_mutex_lock(&transport->receiving);
    }
    lane->held[lane->held_count++] = transport;
}

static void forward_source(lane_t *lane, source_t *source, double now);

/* Read the layers by a dependency descriptor, and take over the structure that it may carry. */
static bool read_descriptor(
    lane_t *lane, source_t *source, const uint8_t *data, size_t size, layering_t *layering, double now) {
    structure_t attached;
    descriptor_t descriptor;
    if (!descriptor_read(data, size, source->structure, &attached, &descriptor))
        return false;
    if (descriptor.has_structure) {
        /* What waits was read by the one before. */
        forward_source(lane, source, now);
        if (!source->structure)
            source->structure = malloc(sizeof attached);
        if (!source->structure)
            return false;
        *source->structure = attached;
    }
    if (descriptor.has_active)
        source->active = descriptor.active;
    layering_descriptor(&descriptor, layering);
    layering->active = source->active;
    return true;
}

/* What cannot be read is taken for a stream without layers, and passes. */
static void read_layering(lane_t *lane, source_t *source, codec_t codec, packet_t *packet, double now) {
    layering_t *layering = &packet->layering;
    bool read = false;
    size_t size = 0;
    const uint8_t *descriptor = NULL;
    if (codec != CODEC_ABSENT && codec != CODEC_OTHER && source->descriptor_id)
        descriptor = rtp_find_extension(packet, source->descriptor_id, &size);
    if (codec == CODEC_VP8) {
        read = layering_vp8(packet->data, packet->payload, packet->end, layering);
    } else if (codec == CODEC_VP9) {
        read = layering_vp9(packet->data, packet->payload, packet->end, layering);
    } else if (descriptor) {
        read = read_descriptor(lane, source, descriptor, size, layering, now);
    } else if (codec == CODEC_H264 && source->marking_id) {
        size_t marking_size = 0;
        const uint8_t *marking = rtp_find_extension(packet, source->marking_id, &marking_size);
        read = marking && layering_marking(marking, marking_size, layering);
    }
    if (!read)
        memset(layering, 0, sizeof *layering);
    if (descriptor && size >= DESCRIPTOR_MANDATORY) {
        layering->has_frame = true;
        layering->frame_number = read16(descriptor + 1);
        layering->descriptor_id = source->descriptor_id;
    }
}

void source_read_places(const source_t *source, packet_t *packet) {
    codec_t codec = source->codecs[packet->payload_type];
    layering_t *layering = &packet->layering;
    bool read = (codec == CODEC_VP8 && layering_vp8(packet->data, packet->payload, packet->end, layering)) ||
                (codec == CODEC_VP9 && layering_vp9(packet->data, packet->payload, packet->end, layering));
    if (!read)
        memset(layering, 0, sizeof *layering);
    size_t size = 0;
    const uint8_t *descriptor = NULL;
    if (codec != CODEC_ABSENT && codec != CODEC_OTHER && source->descriptor_id)
        descriptor = rtp_find_extension(packet, source->descriptor_id, &size);
    layering->has_frame = descriptor && size >= DESCRIPTOR_MANDATORY;
    layering->descriptor_id = source->descriptor_id;
}

static size_t counted(uint8_t layer) {
    return layer < COUNTED_LAYERS ? layer : COUNTED_LAYERS - 1;
}

/* Make of an RTX packet what it repeats (RFC 4588 section 4), in place. */
static drop_t unwrap(source_t *source, uint8_t *data, packet_t *packet) {
    uint8_t payload_type = source->rtx_payload_types[packet->payload_type];
    if (payload_type == NO_PAYLOAD_TYPE)
        return DROP_RTX_UNKNOWN;
    if (packet->end - packet->payload < 2)
        return DROP_RTX_EMPTY;
    packet->sequence = read16(data + packet->payload);
    packet->ssrc = source->ssrc;
    packet->payload_type = payload_type;
    packet->size -= 2;
    packet->end -= 2;
    memmove(data + 2, data, packet->payload);
    data += 2;
    data[1] = (uint8_t)((data[1] & RTP_MARKER) | payload_type);
    write16(data + 2, packet->sequence);
    write32(data + 8, packet->ssrc);
    packet->data = data;
    source->rtx_packets++;
    source->rtx_bytes += packet->size;
    return DROP_NONE;
}

/* Strike a packet off what is missing, or learn what it tells to be missing. */
static void note(lane_t *lane, source_t *source, int64_t number, double now) {
    nack_t *missing = source->missing;
    uint64_t given_up = missing->given_up;
    if (nack_received(missing, number, now)) {
        source->recovered++;
        lane->repairs[REPAIR_PACKETS_RECOVERED]++;
    }
    lane->repairs[REPAIR_PACKETS_GIVEN_UP] += missing->given_up - given_up;
    if (missing->count || missing->unrepaired)
        add_gap(lane->plane, source);
}

/* Count a packet into its source and keep it for lane_forward. False where it has no source. */
static bool take(lane_t *lane, transport_t *transport, uint8_t *data, size_t size, double now) {
    packet_t packet;
    if (!rtp_parse(data, size, &packet)) {
        lane->drops[DROP_MALFORMED_RTP]++;
        return true;
    }
    source_t *source = transport_source(transport, packet.ssrc);
    bool repeated = !source;
    if (repeated)
        source = repeated_source(transport, packet.ssrc);
    if (!source)
        return false;
    size_t wide_size;
    const uint8_t *wide =
        source->transport_wide_id ? rtp_find_extension(&packet, source->transport_wide_id, &wide_size) : NULL;
    if (wide && wide_size >= 2)
        arrivals_receive(transport->arrivals, read16(wide), packet.ssrc, now);
    drop_t reason = repeated ? unwrap(source, data, &packet) : DROP_NONE;
    if (reason == DROP_NONE)
        reason = reception_receive(
            &source->reception, packet.sequence, packet.timestamp, packet.size, repeated, now, &packet.extended);
    if (reason != DROP_NONE) {
        lane->drops[reason]++;
        return true;
    }
    if (source->missing)
        note(lane, source, packet.extended, now);
    codec_t codec = source->codecs[packet.payload_type];
    bool keyframe = rtp_begins_keyframe(codec, &packet);
    if (keyframe && !(source->had_keyframe && source->keyframe_timestamp == packet.timestamp)) {
        source->had_keyframe = true;
        source->keyframe_timestamp = packet.timestamp;
        source->keyframes++;
        punt(lane, PUNT_KEYFRAME, transport, source->id, NULL, packet.data, packet.size);
    }
    if (keyframe && source->missing)
        nack_keyframe(source->missing, packet.extended);
    size_t level_size;
    const uint8_t *level =
        source->audio_level_id ? rtp_find_extension(&packet, source->audio_level_id, &level_size) : NULL;
    if (level)
        level_note(&source->level, level, level_size);
    read_layering(lane, source, codec, &packet, now);
    source->layer_bytes[counted(packet.layering.spatial)][counted(packet.layering.temporal)] += packet.size;
    if (!source->route_count)
        return true;
    if (source->keeps && (source->history || (source->history = history_new(&lane->plane->limits))))
        history_put(source->history, packet.extended, packet.data, packet.size, now);
    packet.source = source->id;
    packet.starts = keyframe || codec == CODEC_OTHER || codec == CODEC_ABSENT;
    if (!source->pending_count)
        lane->dirty[lane->dirty_count++] = source;
    source->pending[source->pending_count++] = packet;
    return true;
}

static void receive_rtp(
    lane_t *lane, transport_t *transport, uint8_t *data, size_t size, const address_t *address, double now) {
    if (size < RTP_HEADER || size > MAX_DATAGRAM) {
        lane->drops[DROP_MALFORMED_RTP]++;
        return;
    }
    hold(lane, transport, now);
    int plain_size = (int)size;
    int status = lane->plane->srtp.unprotect(transport->receive, data, &plain_size);
    if (status != SRTP_OK) {
        lane->drops[srtp_rtp_drop(status)]++;
        return;
    }
    meet(&lane->plane->srtp, transport, read32(data + 8));
    if (!take(lane, transport, data, (size_t)plain_size, now))
        punt(lane, PUNT_UNKNOWN_SSRC, transport, NO_ROW, address, data, (size_t)plain_size);
}

/* Do what is the plane's of a compound packet, and close the gap that it leaves; what remains for Python. What is
 * no sound compound packet is all Python's to judge. */
static size_t handle_rtcp(lane_t *lane, transport_t *transport, uint8_t *data, size_t size, double now) {
    if (!transport->sent)
        return size;
    for (size_t at = 0, length; at < size; at += length) {
        length = rtcp_length(data + at, size - at);
        if (!length)
            return size;
    }
    size_t kept = 0;
    for (size_t at = 0, length; at < size; at += length) {
        uint8_t *packet = data + at;
        length = rtcp_length(packet, size - at);
        if (packet[1] != TWCC_PACKET_TYPE || (packet[0] & 0x1F) != TWCC_FORMAT) {
            memmove(data + kept, packet, length);
            kept += length;
            continue;
        }
        size_t padding = packet[0] & RTP_PADDING ? packet[length - 1] : 0, body = length - 4;
        feedback_t feedback;
        if ((packet[0] & RTP_PADDING && !padding) || padding > body ||
            !feedback_parse(packet + 4, body - padding, SENT_WINDOW, &feedback)) {
            lane->drops[DROP_MALFORMED_RTCP]++;
            continue;
        }
        pthread_mutex_lock(&transport->sending);
        sent_feedback(transport->sent, &feedback, now);
        pthread_mutex_unlock(&transport->sending);
    }
    return kept;
}

typedef struct requests {
    lane_t *lane;
    const transport_t *transport;
    double now;
} requests_t;

/* Keep a NACK until the lane has forwarded: it takes locks of another transport. */
static bool keep_requests(void *context, uint32_t ssrc, const uint8_t *items, size_t count) {
    requests_t *requests = context;
    lane_t *lane = requests->lane;
    const transport_t *transport = requests->transport;
    size_t at = 0;
    while (at < transport->route_count && transport->routes[at]->ssrc != ssrc)
        at++;
    if (at == transport->route_count || !transport->routes[at]->feed.nack)
        return false;
    for (size_t in = 0; in < count; in++) {
        if (lane->request_count == MAX_REQUESTS)
            lane_forward(lane, requests->now);
        lane->requests[lane->request_count++] = (request_t){
            .route = transport->routes[at],
            .first = read16(items + 4 * in),
            .mask = read16(items + 4 * in + 2),
            .begins = !in,
        };
    }
    return true;
}

static void receive_rtcp(
    lane_t *lane, transport_t *transport, uint8_t *data, size_t size, const address_t *address, double now) {
    if (size < MIN_SRTCP || size > MAX_DATAGRAM) {
        lane->drops[DROP_MALFORMED_RTCP]++;
        return;
    }
    hold(lane, transport, now);
    int plain_size = (int)size;
    int status = lane->plane->srtp.unprotect_rtcp(transport->receive, data, &plain_size);
    if (status != SRTP_OK) {
        lane->drops[srtp_rtcp_drop(status)]++;
        return;
    }
    meet(&lane->plane->srtp, transport, read32(data + 4));
    requests_t requests = {lane, transport, now};
    size_t rest = rtcp_take_nacks(data, (size_t)plain_size, keep_requests, &requests);
    rest = handle_rtcp(lane, transport, data, rest, now);
    if (rest)
        punt(lane, PUNT_RTCP, transport, NO_ROW, address, data, rest);
}

void lane_receive(lane_t *lane, uint8_t *data, size_t size, const address_t *address, double now) {
    if (!size) {
        lane->drops[DROP_EMPTY]++;
        return;
    }
    transport_t *transport = address_table_get(&lane->plane->addresses, address);
    uint8_t first = data[0];
    /* RFC 7983 section 7. */
    if (first <= 3) {
        punt(lane, PUNT_STUN, transport, NO_ROW, address, data, size);
    } else if (!(first >= 20 && first <= 63) && !(first >= 128 && first <= 191)) {
        lane->drops[DROP_UNKNOWN_PROTOCOL]++;
    } else if (!transport) {
        lane->drops[DROP_UNBOUND_ADDRESS]++;
    } else if (first <= 63) {
        punt(lane, PUNT_DTLS, transport, NO_ROW, address, data, size);
    } else if (!transport->receive) {
        lane->drops[DROP_BEFORE_DTLS]++;
    } else if (size > 1 && data[1] >= 192 && data[1] <= 223) {
        /* RFC 5761 section 4. */
        receive_rtcp(lane, transport, data, size, address, now);
    } else {
        receive_rtp(lane, transport, data, size, address, now);
    }
}

/* Which packets are to get a byte of padding: those a byte shorter than the longest of their frame. libwebrtc
 * makes a frame's last packets a byte longer, and one run of UDP_SEGMENT takes packets of one size. */
static void choose_padding(const source_t *source, bool pad[BATCH]) {
    size_t start = 0;
    for (size_t at = 1; at <= source->pending_count; at++) {
        if (at < source->pending_count && source->pending[at].timestamp == source->pending[start].timestamp)
            continue;
        uint16_t longest = 0;
        for (size_t in = start; in < at; in++)
            if (source->pending[in].size > longest)
                longest = source->pending[in].size;
        for (size_t in = start; in < at; in++)
            pad[in] = source->pending[in].size + 1 == longest;
        start = at;
    }
}

/* Answer the NACKs of the batch. No lock is held here, and those of one request are taken in the order in which
 * forwarding takes them: the publisher's, then the subscriber's. */
static void answer(lane_t *lane, double now) {
    for (size_t at = 0; at < lane->request_count;) {
        route_t *route = lane->requests[at].route;
        transport_t *publisher = route->feed.source ? route->feed.source->transport : NULL;
        if (publisher)
            pthread_mutex_lock(&publisher->receiving);
        pthread_mutex_lock(&route->transport->sending);
        for (; at < lane->request_count && lane->requests[at].route == route; at++) {
            const request_t *request = &lane->requests[at];
            route->nacks += request->begins;
            lane->repairs[REPAIR_NACKS_RECEIVED] += request->begins;
            for (int bit = 0; bit <= 16; bit++)
                if (!bit || request->mask >> (bit - 1) & 1)
                    route_resend(
                        route,
                        (uint16_t)(request->first + bit),
                        now,
                        &lane->plane->srtp,
                        &lane->out,
                        lane->repairs);
        }
        pthread_mutex_unlock(&route->transport->sending);
        if (publisher)
            pthread_mutex_unlock(&publisher->receiving);
    }
    lane->request_count = 0;
}

/* Forward what waits of one source. */
static void forward_source(lane_t *lane, source_t *source, double now) {
    plane_t *plane = lane->plane;
    bool pad[BATCH] = {false};
    if (plane->pad)
        choose_padding(source, pad);
    /* The subscriber outside, its packets inside: what goes to one address is one run. */
    for (size_t at = 0; at < source->route_count; at++) {
        route_t *route = source->routes[at];
        pthread_mutex_lock(&route->transport->sending);
        for (size_t in = 0; in < source->pending_count; in++) {
            drop_t reason =
                route_forward(route, source, &source->pending[in], now, pad[in], &plane->srtp, &lane->out);
            if (reason != DROP_NONE)
                lane->drops[reason]++;
        }
        pthread_mutex_unlock(&route->transport->sending);
    }
    source->pending_count = 0;
}

void lane_forward(lane_t *lane, double now) {
    for (size_t dirty = 0; dirty < lane->dirty_count; dirty++)
        forward_source(lane, lane->dirty[dirty], now);
    lane->dirty_count = 0;
    for (size_t at = 0; at < lane->held_count; at++) {
        lane_tick(lane, lane->held[at], now);
        pthread_mutex_unlock(&lane->held[at]->receiving);
    }
    lane->held_count = 0;
    answer(lane, now);
    lane_flush(lane);
}

void lane_flush(lane_t *lane) {
    if (lane->out.count)
        lane->out.flush(&lane->out);
}

bool lane_replay(lane_t *lane, transport_t *transport, uint8_t *data, size_t size, double now) {
    bool known = take(lane, transport, data, size, now);
    lane_forward(lane, now);
    return known;
}

void lane_tick(lane_t *lane, transport_t *transport, double now) {
    arrivals_t *arrivals = transport->arrivals;
    if (!arrivals || !arrivals_due(arrivals, now) || !transport->addressed || !transport->send.session)
        return;
    pthread_mutex_lock(&transport->sending);
    for (;;) {
        uint8_t *room = out_room(&lane->out);
        int size = (int)arrivals_next(arrivals, transport->ssrc, room, now);
        if (!size)
            break;
        if (lane->plane->srtp.protect_rtcp(transport->send.session, room, &size) == SRTP_OK) {
            out_push(&lane->out, &transport->address, (size_t)size);
            lane->feedbacks++;
        } else {
            lane->drops[DROP_SRTP_PROTECT]++;
        }
    }
    pthread_mutex_unlock(&transport->sending);
}

/* Protect a compound packet and give it to the lane's out. */
static void push_rtcp(lane_t *lane, transport_t *transport, const uint8_t *data, size_t size) {
    if (!transport->addressed) {
        lane->drops[DROP_NO_ADDRESS]++;
        return;
    }
    if (!transport->send.session) {
        lane->drops[DROP_NO_KEYS]++;
        return;
    }
    if (size > MAX_RTCP) {
        lane->drops[DROP_TOO_LARGE]++;
        return;
    }
    uint8_t *room = out_room(&lane->out);
    memcpy(room, data, size);
    int protected_size = (int)size;
    pthread_mutex_lock(&transport->sending);
    int status = lane->plane->srtp.protect_rtcp(transport->send.session, room, &protected_size);
    pthread_mutex_unlock(&transport->sending);
    if (status != SRTP_OK) {
        lane->drops[DROP_SRTP_PROTECT]++;
        return;
    }
    out_push(&lane->out, &transport->address, (size_t)protected_size);
}

void lane_send_rtcp(lane_t *lane, transport_t *transport, const uint8_t *data, size_t size) {
    push_rtcp(lane, transport, data, size);
    lane->out.flush(&lane->out);
}

/* Ask for what a source misses. */
static void ask(lane_t *lane, source_t *source, double now) {
    transport_t *transport = source->transport;
    nack_t *missing = source->missing;
    int64_t numbers[MAX_MISSING];
    size_t count = 0;
    pthread_mutex_lock(&transport->receiving);
    uint64_t given_up = missing->given_up;
    if (!source->route_count) {
        /* Nobody would see it. */
        missing->count = 0;
        missing->unrepaired = false;
    } else {
        count = nack_due(missing, now, transport->round_trip_time, numbers);
        if (!transport->addressed || !transport->send.session)
            count = 0;
    }
    lane->repairs[REPAIR_PACKETS_GIVEN_UP] += missing->given_up - given_up;
    if (missing->unrepaired && source->is_video)
        punt(lane, PUNT_REPAIR_FAILED, transport, source->id, NULL, NULL, 0);
    missing->unrepaired = false;
    if (count) {
        source->nacks++;
        source->requested += count;
    }
    if (!missing->count)
        remove_gap(lane->plane, source);
    pthread_mutex_unlock(&transport->receiving);
    if (!count)
        return;
    lane->repairs[REPAIR_NACKS_SENT]++;
    lane->repairs[REPAIR_PACKETS_REQUESTED] += count;
    uint8_t packet[20 + 4 * MAX_MISSING];
    push_rtcp(lane, transport, packet, rtcp_write_nack(packet, transport->ssrc, source->ssrc, numbers, count));
}

void lane_ask(lane_t *lane, double now) {
    plane_t *plane = lane->plane;
    source_t *gaps[MAX_GAPS];
    pthread_mutex_lock(&plane->gap_lock);
    size_t count = plane->gap_count < MAX_GAPS ? plane->gap_count : MAX_GAPS;
    if (count)
        memcpy(gaps, plane->gaps, count * sizeof *gaps);
    pthread_mutex_unlock(&plane->gap_lock);
    for (size_t at = 0; at < count; at++)
        ask(lane, gaps[at], now);
    if (lane->out.count)
        lane->out.flush(&lane->out);
}

bool plane_ask_due(plane_t *plane, uint64_t nanoseconds) {
    uint64_t next = __atomic_load_n(&plane->next_ask, __ATOMIC_RELAXED);
    return plane_misses(plane) && nanoseconds >= next &&
           __atomic_compare_exchange_n(
               &plane->next_ask, &next, nanoseconds + (uint64_t)(ASK_INTERVAL * 1e9), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void lane_send(lane_t *lane, const uint8_t *data, size_t size, const address_t *address) {
    if (size > MAX_DATAGRAM) {
        lane->drops[DROP_TOO_LARGE]++;
        return;
    }
    address_t path = recall(lane->plane, address);
    memcpy(out_room(&lane->out), data, size);
    out_push(&lane->out, &path, size);
    lane->out.flush(&lane->out);
}
