#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_parse(const char *text, uint16_t port, address_t *address) {
    memset(address, 0, sizeof *address);
    address->port = port;
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        memcpy(address->ip, MAPPED, sizeof MAPPED);
        memcpy(address->ip + 12, &v4, 4);
        return true;
    }
    return inet_pton(AF_INET6, text, address->ip) == 1;
}

void address_format(const address_t *address, char text[ADDRESS_TEXT]) {
    if (memcmp(address->ip, MAPPED, sizeof MAPPED) == 0)
        inet_ntop(AF_INET, address->ip + 12, text, ADDRESS_TEXT);
    else
        inet_ntop(AF_INET6, address->ip, text, ADDRESS_TEXT);
}

bool address_unspecified(const address_t *address) {
    static const uint8_t zero[16];
    bool mapped = memcmp(address->ip, MAPPED, sizeof MAPPED) == 0;
    return memcmp(address->ip + (mapped ? 12 : 0), zero, mapped ? 4 : 16) == 0;
}

bool address_equal(const address_t *one, const address_t *other) {
    return one->port == other->port && memcmp(one->ip, other->ip, 16) == 0;
}

socklen_t address_to_socket(const address_t *address, int family, struct sockaddr_storage *out) {
    if (family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        memset(in6, 0, sizeof *in6);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(address->port);
        memcpy(&in6->sin6_addr, address->ip, 16);
        return sizeof *in6;
    }
    if (memcmp(address->ip, MAPPED, sizeof MAPPED) != 0)
        return 0;
    struct sockaddr_in *in4 = (struct sockaddr_in *)out;
    memset(in4, 0, sizeof *in4);
    in4->sin_family = AF_INET;
    in4->sin_port = htons(address->port);
    memcpy(&in4->sin_addr, address->ip + 12, 4);
    return sizeof *in4;
}

bool address_from_socket(const struct sockaddr_storage *in, address_t *address) {
    memset(address, 0, sizeof *address);
    if (in->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;
        memcpy(address->ip, &in6->sin6_addr, 16);
        address->port = ntohs(in6->sin6_port);
        return true;
    }
    if (in->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)in;
        memcpy(address->ip, MAPPED, sizeof MAPPED);
        memcpy(address->ip + 12, &in4->sin_addr, 4);
        address->port = ntohs(in4->sin_port);
        return true;
    }
    return false;
}

static uint64_t mix(uint64_t value) {
    /* The finaliser of SplitMix64. */
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9u;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

uint64_t address_hash(uint64_t seed, const address_t *address) {
    uint64_t high, low;
    memcpy(&high, address->ip, 8);
    memcpy(&low, address->ip + 8, 8);
    return mix(mix(mix(seed ^ high) ^ low) ^ address->port);
}

static uint64_t hash(const address_table_t *table, const address_t *address) {
    return address_hash(table->seed, address);
}

bool address_table_init(address_table_t *table, uint64_t seed) {
    table->size = 64;
    table->count = 0;
    table->seed = seed;
    table->buckets = calloc(table->size, sizeof *table->buckets);
    return table->buckets != NULL;
}

void address_table_free(address_table_t *table) {
    for (size_t i = 0; i < table->size && table->buckets; i++) {
        address_entry_t *entry = table->buckets[i];
        while (entry) {
            address_entry_t *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    free(table->buckets);
    table->buckets = NULL;
}

static address_entry_t *find(const address_table_t *table, const address_t *address, uint64_t key) {
    address_entry_t *entry = table->buckets[key & (table->size - 1)];
    while (entry && !(entry->hash == key && address_equal(&entry->address, address)))
        entry = entry->next;
    return entry;
}

void *address_table_get(const address_table_t *table, const address_t *address) {
    address_entry_t *entry = find(table, address, hash(table, address));
    return entry ? entry->value : NULL;
}

static void grow(address_table_t *table) {
    size_t size = table->size * 2;
    address_entry_t **buckets = calloc(size, sizeof *buckets);
    if (!buckets)
        return; /* Longer chains still work. */
    for (size_t i = 0; i < table->size; i++) {
        address_entry_t *entry = table->buckets[i];
        while (entry) {
            address_entry_t *next = entry->next;
            entry->next = buckets[entry->hash & (size - 1)];
            buckets[entry->hash & (size - 1)] = entry;
            entry = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->size = size;
}

bool address_table_set(address_table_t *table, const address_t *address, void *value) {
    uint64_t key = hash(table, address);
    address_entry_t *entry = find(table, address, key);
    if (entry) {
        entry->value = value;
        return true;
    }
    if (table->count >= table->size)
        grow(table);
    entry = malloc(sizeof *entry);
    if (!entry)
        return false;
    entry->hash = key;
    entry->address = *address;
    entry->value = value;
    entry->next = table->buckets[key & (table->size - 1)];
    table->buckets[key & (table->size - 1)] = entry;
    table->count++;
    return true;
}

void address_table_remove(address_table_t *table, const address_t *address) {
    uint64_t key = hash(table, address);
    address_entry_t **link = &table->buckets[key & (table->size - 1)];
    while (*link && !((*link)->hash == key && address_equal(&(*link)->address, address)))
        link = &(*link)->next;
    if (*link) {
        address_entry_t *entry = *link;
        *link = entry->next;
        free(entry);
        table->count--;
    }
}
