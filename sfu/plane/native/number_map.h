/* Numbers without gaps for what is left when some of a counted stream is dropped on purpose. */
#ifndef CHATTER_NUMBER_MAP_H
#define CHATTER_NUMBER_MAP_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers behind the newest of which it is known whether they were dropped: the receiving replay window. */
#define MAP_WINDOW 1024

typedef struct number_map {
    int64_t highest; /* the newest number of the source, extended */
    int64_t offset;  /* number sent - number of the source, for the newest one */
    uint64_t dropped[MAP_WINDOW / 64]; /* bit (number mod window) */
} number_map_t;

/* Begin anew: `number` of the source is `sent`, and nothing before it was dropped. */
void number_map_anchor(number_map_t *map, int64_t number, int64_t sent);
/* What a number that is behind the newest was or would have been sent as. */
int64_t number_map_late(const number_map_t *map, int64_t number);
/* The number is sent. Those skipped keep their places. */
void number_map_advance(number_map_t *map, int64_t number);
/* The number, newer than all before, is not sent: the next one takes its place. */
void number_map_drop(number_map_t *map, int64_t number);
/* Whether a number that is not newer than the newest was dropped. */
bool number_map_dropped(const number_map_t *map, int64_t number);

/* What the number is or would be sent as. */
static inline int64_t number_map_sent(const number_map_t *map, int64_t number) {
    return number >= map->highest ? number + map->offset : number_map_late(map, number);
}

#endif
