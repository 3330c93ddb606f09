/* RTP packets as offsets into bytes (RFC 3550 section 5.1), header extensions (RFC 8285), keyframes. */
#ifndef CHATTER_RTP_H
#define CHATTER_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layering.h"

#define RTP_HEADER 12
#define RTP_PADDING 0x20
#define RTP_EXTENSION 0x10
#define RTP_MARKER 0x80

/* The largest datagram that is looked at, and what libsrtp may add to a packet: as the reference plane has
 * them from pylibsrtp, so that both drop the same. */
#define MAX_DATAGRAM 1500
#define MAX_SRTP_TRAILER 144
#define MAX_SRTCP_TRAILER 148
#define MAX_RTP (MAX_DATAGRAM - MAX_SRTP_TRAILER)
#define MAX_RTCP (MAX_DATAGRAM - MAX_SRTCP_TRAILER)

typedef enum codec {
    CODEC_ABSENT, /* the payload type is not the source's */
    CODEC_OTHER,  /* decoding can start at any packet */
    CODEC_VP8,
    CODEC_VP9,
    CODEC_H264,
    CODEC_AV1,
} codec_t;

typedef struct packet {
    const uint8_t *data; /* unprotected */
    uint16_t size;
    uint16_t extension; /* where the extension block begins; == payload where there is none */
    uint16_t payload;
    uint16_t end; /* where padding begins */
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    uint8_t payload_type;
    bool starts; /* decoding can start here */
    int64_t source; /* id of the row */
    int64_t extended; /* sequence number, by the source's reception */
    layering_t layering;
} packet_t;

static inline uint16_t read16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t read32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void write16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void write32(uint8_t *bytes, uint32_t value) {
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

/* Read the offsets of an unprotected packet and check all that is read later. False where it is malformed. */
bool rtp_parse(const uint8_t *data, size_t size, packet_t *packet);

/* Whether a keyframe begins in the packet. */
bool rtp_begins_keyframe(codec_t codec, const packet_t *packet);

/* A header extension element. */
typedef struct element {
    uint8_t id, size;
    const uint8_t *data;
} element_t;

/* The data of the packet's first element with this id, NULL where there is none. Sets `size`. */
const uint8_t *rtp_find_extension(const packet_t *packet, uint8_t id, size_t *size);

/* Write the packet's extension block under other ids, followed by `count` elements of the server's own, which
 * replace those of their ids; the number of bytes written, -1 where they are more than `room`. `ids`: id -> id,
 * 0 to strip. Where the layering has a dependency descriptor, `frame` replaces its frame number. */
int rtp_write_extensions(
    const packet_t *packet,
    const uint8_t ids[256],
    const element_t *own,
    size_t count,
    uint16_t frame,
    uint8_t *out,
    size_t room);

#endif
