#include "rtp.h"

#include <string.h>

#define ONE_BYTE 0xBEDE
#define TWO_BYTE 0x1000
/* The low four bits of the two-byte profile are "appbits" (RFC 8285 section 4.3). */
#define TWO_BYTE_MASK 0xFFF0

/* Walks over the elements of an extension block. */
typedef struct cursor {
    const uint8_t *at, *end;
    bool two_byte;
    uint8_t id, size;
    const uint8_t *data;
} cursor_t;

typedef enum step { STEP_ELEMENT, STEP_END, STEP_MALFORMED } step_t;

static cursor_t elements_of(const packet_t *packet) {
    cursor_t cursor = {0};
    if (packet->extension == packet->payload)
        return cursor;
    uint16_t profile = read16(packet->data + packet->extension);
    cursor.two_byte = (profile & TWO_BYTE_MASK) == TWO_BYTE;
    if (profile == ONE_BYTE || cursor.two_byte) {
        cursor.at = packet->data + packet->extension + 4;
        cursor.end = packet->data + packet->payload;
    }
    return cursor;
}

static step_t next_element(cursor_t *cursor) {
    while (cursor->at < cursor->end) {
        uint8_t head = *cursor->at++;
        if (head == 0)
            continue;
        if (cursor->two_byte) {
            if (cursor->at == cursor->end)
                return STEP_MALFORMED;
            cursor->id = head;
            cursor->size = *cursor->at++;
        } else {
            cursor->id = head >> 4;
            /* Id 15, and id 0 with a length, end the block (RFC 8285 section 4.2). */
            if (cursor->id == 0 || cursor->id == 15)
                return STEP_END;
            cursor->size = (uint8_t)((head & 0x0F) + 1);
        }
        if (cursor->size > cursor->end - cursor->at)
            return STEP_MALFORMED;
        cursor->data = cursor->at;
        cursor->at += cursor->size;
        return STEP_ELEMENT;
    }
    return STEP_END;
}

bool rtp_parse(const uint8_t *data, size_t size, packet_t *packet) {
    if (size < RTP_HEADER || size > UINT16_MAX || data[0] >> 6 != 2)
        return false;
    size_t payload = RTP_HEADER + 4 * (size_t)(data[0] & 0x0F);
    packet->extension = (uint16_t)payload;
    if (data[0] & RTP_EXTENSION) {
        if (payload + 4 > size)
            return false;
        payload += 4 + 4 * (size_t)read16(data + payload + 2);
    }
    if (payload > size)
        return false;
    size_t end = size;
    if (data[0] & RTP_PADDING) {
        size_t padding = size > payload ? data[size - 1] : 0;
        if (padding < 1 || padding > size - payload)
            return false;
        end -= padding;
    }
    packet->data = data;
    packet->size = (uint16_t)size;
    packet->payload = (uint16_t)payload;
    packet->end = (uint16_t)end;
    packet->payload_type = data[1] & 0x7F;
    packet->sequence = read16(data + 2);
    packet->timestamp = read32(data + 4);
    packet->ssrc = read32(data + 8);
    cursor_t cursor = elements_of(packet);
    step_t step;
    while ((step = next_element(&cursor)) == STEP_ELEMENT) {
    }
    return step != STEP_MALFORMED;
}

const uint8_t *rtp_find_extension(const packet_t *packet, uint8_t id, size_t *size) {
    cursor_t cursor = elements_of(packet);
    while (next_element(&cursor) == STEP_ELEMENT)
        if (cursor.id == id) {
            *size = cursor.size;
            return cursor.data;
        }
    return NULL;
}

/* Go on by `count` bytes; false where there are not as many. */
static bool skip(const uint8_t **at, const uint8_t *end, ptrdiff_t count) {
    if (end - *at < count)
        return false;
    *at += count;
    return true;
}

/* RFC 7741 sections 4.2 and 4.3: the first packet of a frame whose P bit is clear. */
static bool vp8(const uint8_t *at, const uint8_t *end) {
    if (at >= end)
        return false;
    uint8_t first = *at++;
    if (!(first & 0x10) || (first & 0x07))
        return false;
    if (first & 0x80) {
        if (at >= end)
            return false;
        uint8_t fields = *at++;
        if (fields & 0x80) {
            if (at >= end)
                return false;
            if (!skip(&at, end, *at & 0x80 ? 2 : 1))
                return false;
        }
        if (!skip(&at, end, (fields & 0x40 ? 1 : 0) + (fields & 0x30 ? 1 : 0)))
            return false;
    }
    return at < end && !(*at & 0x01);
}

/* RFC 9628 section 4.2: not predicted from another picture, and the lowest spatial layer. */
static bool vp9(const uint8_t *at, const uint8_t *end) {
    if (end - at < 2)
        return false;
    uint8_t first = *at++;
    if ((first & 0x40) || !(first & 0x08))
        return false;
    if (!(first & 0x20))
        return true;
    if (first & 0x80) {
        if (at >= end)
            return false;
        if (!skip(&at, end, *at & 0x80 ? 2 : 1))
            return false;
    }
    return at < end && (*at >> 1 & 0x07) == 0;
}

/* RFC 6184 sections 5.2 and 5.7.1: a sequence parameter set, alone or in a STAP-A. */
static bool h264(const uint8_t *at, const uint8_t *end) {
    if (at >= end)
        return false;
    uint8_t kind = *at & 0x1F;
    if (kind != 24)
        return kind == 7;
    at++;
    while (end - at >= 3) {
        size_t size = read16(at);
        at += 2;
        if (!size || size > (size_t)(end - at))
            return false;
        if ((*at & 0x1F) == 7)
            return true;
        at += size;
    }
    return false;
}

/* RTP Payload Format For AV1 section 4.4: N set and Z clear. */
static bool av1(const uint8_t *at, const uint8_t *end) {
    return end - at >= 2 && (*at & 0x88) == 0x08;
}

bool rtp_begins_keyframe(codec_t codec, const packet_t *packet) {
    const uint8_t *at = packet->data + packet->payload, *end = packet->data + packet->end;
    switch (codec) {
    case CODEC_VP8:
        return vp8(at, end);
    case CODEC_VP9:
        return vp9(at, end);
    case CODEC_H264:
        return h264(at, end);
    case CODEC_AV1:
        return av1(at, end);
    case CODEC_ABSENT:
    case CODEC_OTHER:
        break;
    }
    return false;
}

static bool fits_one_byte(uint8_t id, uint8_t size) {
    return id <= 14 && size >= 1 && size <= 16;
}

static uint8_t *write_element(uint8_t *out, bool two_byte, uint8_t id, const uint8_t *data, uint8_t size) {
    if (two_byte) {
        *out++ = id;
        *out++ = size;
    } else {
        *out++ = (uint8_t)(id << 4 | (size - 1));
    }
    memcpy(out, data, size);
    return out + size;
}

static bool is_own(uint8_t id, const element_t *own, size_t count) {
    for (size_t at = 0; at < count; at++)
        if (own[at].id == id)
            return true;
    return false;
}

int rtp_write_extensions(
    const packet_t *packet,
    const uint8_t ids[256],
    const element_t *own,
    size_t count,
    uint16_t frame,
    uint8_t *out,
    size_t room) {
    const layering_t *layering = &packet->layering;
    uint8_t descriptor_id = layering->has_frame ? layering->descriptor_id : 0;
    /* First what it takes, then the writing: the form depends on every element. */
    bool two_byte = false;
    size_t data = 0, elements = count;
    for (size_t at = 0; at < count; at++) {
        two_byte |= !fits_one_byte(own[at].id, own[at].size);
        data += own[at].size;
    }
    cursor_t cursor = elements_of(packet);
    while (next_element(&cursor) == STEP_ELEMENT) {
        uint8_t id = ids[cursor.id];
        if (!id || is_own(id, own, count))
            continue;
        two_byte |= !fits_one_byte(id, cursor.size);
        data += cursor.size;
        elements++;
    }
    if (!elements)
        return 0;
    size_t size = data + elements * (two_byte ? 2 : 1), padded = (size + 3) / 4 * 4;
    if (4 + padded > room)
        return -1;
    write16(out, two_byte ? TWO_BYTE : ONE_BYTE);
    write16(out + 2, (uint16_t)(padded / 4));
    uint8_t *at = out + 4;
    cursor = elements_of(packet);
    while (next_element(&cursor) == STEP_ELEMENT) {
        uint8_t id = ids[cursor.id];
        if (!id || is_own(id, own, count))
            continue;
        at = write_element(at, two_byte, id, cursor.data, cursor.size);
        if (descriptor_id == cursor.id && cursor.size >= DESCRIPTOR_MANDATORY)
            write16(at - cursor.size + 1, frame);
    }
    for (size_t in = 0; in < count; in++)
        at = write_element(at, two_byte, own[in].id, own[in].data, own[in].size);
    memset(at, 0, padded - size);
    return (int)(4 + padded);
}
