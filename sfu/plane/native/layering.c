#include "layering.h"

#include <string.h>

/* A picture id of one or two bytes at `*at`, which is moved behind it. */
static bool picture_id(const uint8_t *packet, size_t *at, size_t end, layering_t *layering) {
    bool is_long = *at < end && packet[*at] & 0x80;
    size_t size = is_long ? 2 : 1;
    if (*at + size > end)
        return false;
    layering->picture_at = (uint16_t)*at;
    layering->picture_bits = is_long ? 15 : 7;
    layering->picture =
        is_long ? (uint16_t)((packet[*at] & 0x7F) << 8 | packet[*at + 1]) : packet[*at];
    *at += size;
    return true;
}

/* RFC 7741 section 4.2. */
bool layering_vp8(const uint8_t *packet, size_t start, size_t end, layering_t *layering) {
    memset(layering, 0, sizeof *layering);
    size_t at = start;
    if (at >= end)
        return false;
    uint8_t first = packet[at++];
    layering->begins = (first & 0x10) && !(first & 0x07);
    layering->contiguous = true;
    if (!(first & 0x80))
        return true;
    if (at >= end)
        return false;
    uint8_t fields = packet[at++];
    if (fields & 0x80 && !picture_id(packet, &at, end, layering))
        return false;
    if (fields & 0x40) {
        if (at >= end)
            return false;
        layering->tl0_at = (uint16_t)at;
        layering->tl0 = packet[at++];
    }
    if (fields & 0x30) {
        if (at >= end)
            return false;
        if (fields & 0x20) {
            layering->temporal = packet[at] >> 6;
            layering->synchronizes = packet[at] & 0x20;
        }
    }
    return true;
}

/* RFC 9628 section 4.2. */
bool layering_vp9(const uint8_t *packet, size_t start, size_t end, layering_t *layering) {
    memset(layering, 0, sizeof *layering);
    size_t at = start;
    if (at >= end)
        return false;
    uint8_t first = packet[at++];
    layering->begins = first & 0x08;
    layering->ends = first & 0x04;
    layering->independent = !(first & 0x40);
    if (first & 0x80 && !picture_id(packet, &at, end, layering))
        return false;
    if (first & 0x20) {
        bool flexible = first & 0x10;
        if (at + (flexible ? 1 : 2) > end)
            return false;
        uint8_t indices = packet[at++];
        layering->temporal = indices >> 5;
        layering->switches_up = indices & 0x10;
        layering->spatial = indices >> 1 & 0x07;
        if (!flexible) {
            layering->tl0_at = (uint16_t)at;
            layering->tl0 = packet[at];
        }
    }
    return true;
}

bool layering_marking(const uint8_t *data, size_t size, layering_t *layering) {
    memset(layering, 0, sizeof *layering);
    if (size < 1 || size > 3)
        return false;
    layering->begins = data[0] & 0x80;
    layering->ends = data[0] & 0x40;
    layering->independent = data[0] & 0x20;
    if (size > 1) {
        layering->temporal = data[0] & 0x07;
        layering->synchronizes = data[0] & 0x08;
    }
    return true;
}

void layering_descriptor(const descriptor_t *descriptor, layering_t *layering) {
    memset(layering, 0, sizeof *layering);
    layering->spatial = descriptor->spatial;
    layering->temporal = descriptor->temporal;
    layering->begins = descriptor->begins;
    layering->ends = descriptor->ends;
    layering->has_targets = true;
    layering->present = descriptor->present;
    layering->switches = descriptor->switches;
    layering->dependencies = descriptor->dependencies;
}
