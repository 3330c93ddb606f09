/* The RTCP that the plane reads and writes itself. */
#ifndef CHATTER_RTCP_H
#define CHATTER_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One generic NACK (RFC 4585 section 6.2.1): `count` items of four bytes. False leaves it in the packet. */
typedef bool (*nack_handler_t)(void *context, uint32_t ssrc, const uint8_t *items, size_t count);

/* Give the NACKs of a compound packet to the handler; what it takes is cut out. The size of the rest. A packet that is
 * malformed anywhere is left whole: what it says cannot be trusted. */
size_t rtcp_take_nacks(uint8_t *data, size_t size, nack_handler_t handler, void *context);

/* Write a compound packet with one NACK of ascending extended numbers: at most 20 + 4 * count bytes. Its size. */
size_t rtcp_write_nack(uint8_t *out, uint32_t sender, uint32_t media, const int64_t *numbers, size_t count);

#endif
