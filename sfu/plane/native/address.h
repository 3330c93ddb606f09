/* IP addresses with ports, and the table that finds the transport of one. */
#ifndef CHATTER_ADDRESS_H
#define CHATTER_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4 is kept as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), so that there is one form to compare. */
typedef struct address {
    uint8_t ip[16];
    uint16_t port; /* host byte order */
    /* Which of our own addresses it reaches, where that is known. No part of what is compared. */
    bool has_local;
    uint8_t local[16];
} address_t;

#define ADDRESS_TEXT 46

/* Parse "192.0.2.1" or "2001:db8::1". False where it is no address. */
bool address_parse(const char *text, uint16_t port, address_t *address);
/* The canonical text; IPv4-mapped addresses as IPv4. */
void address_format(const address_t *address, char text[ADDRESS_TEXT]);
/* Whether it stands for all addresses: :: or 0.0.0.0. */
bool address_unspecified(const address_t *address);
bool address_equal(const address_t *one, const address_t *other);
/* Fill a socket address of this family; its length, 0 where an IPv6 address meets an IPv4 socket. */
socklen_t address_to_socket(const address_t *address, int family, struct sockaddr_storage *out);
bool address_from_socket(const struct sockaddr_storage *in, address_t *address);

/* Address -> pointer. Chained, grows by doubling. */
typedef struct address_entry {
    struct address_entry *next;
    uint64_t hash;
    address_t address;
    void *value;
} address_entry_t;

/* The same for equal addresses; `seed` against chosen ones that meet. */
uint64_t address_hash(uint64_t seed, const address_t *address);

typedef struct address_table {
    address_entry_t **buckets;
    size_t size; /* buckets, a power of two */
    size_t count;
    uint64_t seed; /* against chosen addresses that meet in one bucket */
} address_table_t;

bool address_table_init(address_table_t *table, uint64_t seed);
void address_table_free(address_table_t *table);
void *address_table_get(const address_table_t *table, const address_t *address);
/* False where memory is out. Replaces. */
bool address_table_set(address_table_t *table, const address_t *address, void *value);
void address_table_remove(address_table_t *table, const address_t *address);

#endif
