#include "number_map.h"

#include <stddef.h>
#include <string.h>

void number_map_anchor(number_map_t *map, int64_t number, int64_t sent) {
    map->highest = number;
    map->offset = sent - number;
    memset(map->dropped, 0, sizeof map->dropped);
}

static uint64_t bit_of(int64_t number) {
    return (uint64_t)1 << ((uint64_t)number % 64);
}

static size_t word_of(int64_t number) {
    return (uint64_t)number % MAP_WINDOW / 64;
}

static bool is_set(const number_map_t *map, int64_t number) {
    return map->dropped[word_of(number)] & bit_of(number);
}

int64_t number_map_late(const number_map_t *map, int64_t number) {
    /* Each one dropped after it has moved the offset on by one. */
    int64_t later = 0;
    int64_t from = map->highest - number > MAP_WINDOW ? map->highest - MAP_WINDOW : number;
    for (int64_t at = from + 1; at <= map->highest; at++)
        later += is_set(map, at);
    return number + map->offset + later;
}

void number_map_advance(number_map_t *map, int64_t number) {
    int64_t ahead = number - map->highest;
    if (ahead <= 0)
        return;
    if (ahead >= MAP_WINDOW) {
        memset(map->dropped, 0, sizeof map->dropped);
    } else {
        for (int64_t at = map->highest + 1; at <= number; at++)
            map->dropped[word_of(at)] &= ~bit_of(at);
    }
    map->highest = number;
}

void number_map_drop(number_map_t *map, int64_t number) {
    number_map_advance(map, number);
    map->dropped[word_of(number)] |= bit_of(number);
    map->offset--;
}

bool number_map_dropped(const number_map_t *map, int64_t number) {
    int64_t behind = map->highest - number;
    return behind >= 0 && behind < MAP_WINDOW && is_set(map, number);
}
