#include "rtcp.h"

#include <string.h>

#include "rtp.h"

#define RECEIVER_REPORT 201
#define TRANSPORT_FEEDBACK 205
#define GENERIC_NACK 1
/* Header, SSRC of sender and of media, one item. */
#define MIN_NACK 16

/* Where the packet at `at` ends, and where its padding begins; 0 where it is malformed. */
static size_t end_of(const uint8_t *data, size_t size, size_t at, size_t *padding) {
    if (size - at < 4 || data[at] >> 6 != 2 || data[at + 1] < 192 || data[at + 1] > 223)
        return 0;
    size_t words = read16(data + at + 2), stop = at + 4 + 4 * words;
    if (stop > size)
        return 0;
    *padding = stop;
    if (data[at] & 0x20) {
        size_t count = words ? data[stop - 1] : 0;
        if (stop != size || !count || count % 4 || count > 4 * words)
            return 0;
        *padding = stop - count;
    }
    return stop;
}

size_t rtcp_take_nacks(uint8_t *data, size_t size, nack_handler_t handler, void *context) {
    size_t padding = 0;
    for (size_t at = 0; at < size;) {
        at = end_of(data, size, at, &padding);
        if (!at)
            return size;
    }
    size_t rest = 0;
    for (size_t at = 0; at < size;) {
        size_t stop = end_of(data, size, at, &padding);
        bool nack = data[at + 1] == TRANSPORT_FEEDBACK && (data[at] & 0x1F) == GENERIC_NACK && padding - at >= MIN_NACK;
        if (!nack || !handler(context, read32(data + at + 8), data + at + 12, (padding - at - 12) / 4)) {
            memmove(data + rest, data + at, stop - at);
            rest += stop - at;
        }
        at = stop;
    }
    return rest;
}

size_t rtcp_write_nack(uint8_t *out, uint32_t sender, uint32_t media, const int64_t *numbers, size_t count) {
    /* A compound packet begins with a report (RFC 3550 section 6.1), if an empty one. */
    out[0] = 0x80;
    out[1] = RECEIVER_REPORT;
    write16(out + 2, 1);
    write32(out + 4, sender);
    uint8_t *nack = out + 8, *at = nack + 12;
    nack[0] = 0x80 | GENERIC_NACK;
    nack[1] = TRANSPORT_FEEDBACK;
    write32(nack + 4, sender);
    write32(nack + 8, media);
    for (size_t in = 0; in < count;) {
        int64_t first = numbers[in++];
        uint16_t mask = 0;
        for (; in < count && numbers[in] - first <= 16; in++)
            mask |= (uint16_t)(1 << (numbers[in] - first - 1));
        write16(at, (uint16_t)first);
        write16(at + 2, mask);
        at += 4;
    }
    write16(nack + 2, (uint16_t)((at - nack) / 4 - 1));
    return (size_t)(at - out);
}
