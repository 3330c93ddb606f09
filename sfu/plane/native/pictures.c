#include "pictures.h"

/* A keyframe whose picture id is this far from the one before is from an encoder that has begun anew. */
#define MAX_STEP 128
#define MAX_SHORT_STEP 16

void pictures_start(pictures_t *pictures) {
    pictures->ids_started = pictures->tl0_started = pictures->frames_started = false;
}

static int64_t extended(const pictures_t *pictures, const layering_t *layering) {
    int64_t half = (int64_t)1 << (layering->picture_bits - 1), mask = 2 * half - 1;
    int64_t highest = pictures->ids.highest;
    return highest + (((layering->picture - highest + half) & mask) - half);
}

static bool jumps(const pictures_t *pictures, const layering_t *layering) {
    int64_t step = extended(pictures, layering) - pictures->ids.highest;
    int64_t most = layering->picture_bits == 7 ? MAX_SHORT_STEP : MAX_STEP;
    return step > most || step < -most;
}

static void anchor(pictures_t *pictures, const layering_t *layering, bool restarts) {
    if (layering->picture_bits) {
        bool restarted = restarts && pictures->ids_started && jumps(pictures, layering);
        if (restarted || !pictures->ids_started) {
            number_map_anchor(
                &pictures->ids, layering->picture, pictures->had_id ? pictures->last_id + 1 : layering->picture);
            pictures->ids_started = true;
            if (restarted)
                pictures->tl0_started = false;
        }
    }
    if (layering->tl0_at && !pictures->tl0_started) {
        pictures->tl0_offset = pictures->had_tl0 ? (uint8_t)(pictures->last_tl0 + 1 - layering->tl0) : 0;
        pictures->tl0_started = true;
    }
    if (layering->has_frame && !pictures->frames_started) {
        pictures->frame_offset =
            pictures->had_frame ? (uint16_t)(pictures->last_frame + 1 - layering->frame_number) : 0;
        pictures->frames_started = true;
    }
}

static picture_numbers_t numbers(const pictures_t *pictures, const layering_t *layering) {
    picture_numbers_t sent = {0};
    if (layering->picture_bits)
        sent.id = (uint16_t)number_map_sent(&pictures->ids, extended(pictures, layering));
    sent.tl0 = (uint8_t)(layering->tl0 + pictures->tl0_offset);
    sent.frame = (uint16_t)(layering->frame_number + pictures->frame_offset);
    return sent;
}

picture_numbers_t pictures_of(pictures_t *pictures, const layering_t *layering, bool restarts) {
    anchor(pictures, layering, restarts);
    return numbers(pictures, layering);
}

void pictures_sent(pictures_t *pictures, const layering_t *layering) {
    picture_numbers_t sent = numbers(pictures, layering);
    if (layering->picture_bits) {
        int64_t number = extended(pictures, layering);
        number_map_advance(&pictures->ids, number);
        pictures->last_id = number_map_sent(&pictures->ids, number);
        pictures->had_id = true;
    }
    if (layering->tl0_at) {
        pictures->last_tl0 = sent.tl0;
        pictures->had_tl0 = true;
    }
    if (layering->has_frame) {
        pictures->last_frame = sent.frame;
        pictures->had_frame = true;
    }
}

void pictures_drop(pictures_t *pictures, const layering_t *layering) {
    if (!layering->contiguous || !layering->picture_bits || !pictures->ids_started)
        return;
    int64_t number = extended(pictures, layering);
    if (number > pictures->ids.highest)
        number_map_drop(&pictures->ids, number);
}

bool pictures_dropped(const pictures_t *pictures, const layering_t *layering) {
    return layering->contiguous && layering->picture_bits && pictures->ids_started &&
           number_map_dropped(&pictures->ids, extended(pictures, layering));
}
