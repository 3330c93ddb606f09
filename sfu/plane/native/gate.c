#include "gate.h"

#include <string.h>

#define NO_TARGET (-1)

void gate_init(gate_t *gate) {
    gate->spatial_limit = gate->temporal_limit = ALL_LAYERS;
    gate_start(gate);
}

void gate_start(gate_t *gate) {
    gate->spatial = gate->temporal = 0;
    gate->timed = gate->framed = gate->counted = false;
    gate->target = NO_TARGET;
    memset(gate->frames, 0, sizeof gate->frames);
}

/* A picture begins: go where the limits are, as far as it can be done here. */
static void change(gate_t *gate, const layering_t *layering) {
    if (gate->spatial > gate->spatial_limit)
        gate->spatial = gate->spatial_limit;
    if (gate->temporal > gate->temporal_limit)
        gate->temporal = gate->temporal_limit;
    if (gate->temporal == gate->temporal_limit)
        return;
    if (layering->switches_up && layering->temporal <= gate->temporal)
        gate->temporal = gate->temporal_limit;
    else if (layering->synchronizes && layering->temporal == gate->temporal + 1)
        gate->temporal = layering->temporal;
}

static uint64_t *word_of(gate_t *gate, uint16_t frame) {
    return &gate->frames[frame % GATE_FRAMES / 64];
}

static void advance(gate_t *gate, uint16_t frame) {
    uint16_t ahead = (uint16_t)(frame - gate->highest_frame);
    if (!gate->counted) {
        gate->highest_frame = frame;
    } else if (ahead > 0 && ahead < 0x8000) {
        if (ahead >= GATE_FRAMES) {
            memset(gate->frames, 0, sizeof gate->frames);
            gate->counted = false;
        } else {
            for (uint16_t at = 1; at <= ahead; at++) {
                uint16_t skipped = (uint16_t)(gate->highest_frame + at);
                *word_of(gate, skipped) &= ~((uint64_t)1 << skipped % 64);
            }
        }
        gate->highest_frame = frame;
    }
}

/* Whether all the frames from which this one is predicted were let through. */
static bool has(gate_t *gate, const layering_t *layering) {
    for (unsigned at = 0; at < layering->dependencies.count; at++) {
        uint16_t needed = (uint16_t)(layering->frame_number - layering->dependencies.differences[at]);
        uint16_t behind = (uint16_t)(gate->highest_frame - needed);
        if (behind >= GATE_FRAMES || !(*word_of(gate, needed) >> needed % 64 & 1))
            return false;
    }
    return true;
}

/* Go to the highest decode target within the limits that can be decoded from this frame on. */
static void choose(
    gate_t *gate, const layering_t *layering, const structure_t *structure, uint32_t timestamp, bool starts) {
    int current = gate->target < structure->target_count ? gate->target : NO_TARGET;
    bool new_picture = !gate->timed || timestamp != gate->timestamp;
    int best = NO_TARGET;
    for (int target = 0; target < structure->target_count; target++) {
        uint8_t spatial = structure->spatial[target], temporal = structure->temporal[target];
        if (spatial > gate->spatial_limit || temporal > gate->temporal_limit || !(layering->active >> target & 1))
            continue;
        if (best != NO_TARGET && (spatial < structure->spatial[best] ||
                                  (spatial == structure->spatial[best] && temporal <= structure->temporal[best])))
            continue;
        if (target == current || (starts && layering->present >> target & 1) ||
            (new_picture && current != NO_TARGET && structure->within[target] >> current & 1) ||
            (layering->switches >> target & 1 && has(gate, layering)))
            best = target;
    }
    if (best != NO_TARGET)
        current = best;
    gate->target = (int8_t)current;
    if (current != NO_TARGET) {
        gate->spatial = structure->spatial[current];
        gate->temporal = structure->temporal[current];
    }
}

static bool passes_targets(
    gate_t *gate,
    const layering_t *layering,
    const structure_t *structure,
    uint32_t timestamp,
    bool starts,
    bool newest) {
    uint16_t frame = layering->frame_number;
    if (newest) {
        advance(gate, frame);
        if (starts || !gate->framed || frame != gate->frame)
            choose(gate, layering, structure, timestamp, starts);
        gate->frame = frame;
        gate->framed = true;
        gate->timestamp = timestamp;
        gate->timed = true;
    }
    if (gate->target == NO_TARGET || !(layering->present >> gate->target & 1))
        return false;
    if ((uint16_t)(gate->highest_frame - frame) < GATE_FRAMES) {
        *word_of(gate, frame) |= (uint64_t)1 << frame % 64;
        gate->counted = true;
    }
    return true;
}

bool gate_passes(
    gate_t *gate,
    const layering_t *layering,
    const structure_t *structure,
    uint32_t timestamp,
    bool starts,
    bool newest) {
    if (layering->has_targets && structure && layering->has_frame)
        return passes_targets(gate, layering, structure, timestamp, starts, newest);
    if (newest) {
        if (starts) {
            gate->spatial = gate->spatial_limit;
            gate->temporal = gate->temporal_limit;
        } else if (!gate->timed || timestamp != gate->timestamp) {
            change(gate, layering);
        }
        gate->timestamp = timestamp;
        gate->timed = true;
    }
    return layering->temporal <= gate->temporal && layering->spatial <= gate->spatial;
}
