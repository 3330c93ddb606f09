#include "level.h"

/* Without the flag V. */
#define LEVEL_MASK 0x7F

void level_note(level_t *level, const uint8_t *data, size_t size) {
    if (!size)
        return;
    uint8_t value = data[0] & LEVEL_MASK;
    level->packets++;
    if (value <= AUDIBLE_LEVEL) {
        level->audible++;
        level->total += value;
    }
}
