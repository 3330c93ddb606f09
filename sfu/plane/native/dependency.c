#include "dependency.h"

#include <string.h>

#define NOT_PRESENT 0
#define SWITCH 2
/* next_layer_idc (appendix A.8.3). */
#define NEXT_TEMPORAL_LAYER 1
#define NEXT_SPATIAL_LAYER 2
#define NO_MORE_TEMPLATES 3

/* Reads bits, the highest first. At the end it gives zeros and has failed. */
typedef struct bits {
    const uint8_t *data;
    size_t position, end; /* in bits */
    bool failed;
} bits_t;

static void skip(bits_t *bits, size_t count) {
    if (count > bits->end - bits->position) {
        bits->failed = true;
        bits->position = bits->end;
        return;
    }
    bits->position += count;
}

static uint32_t get(bits_t *bits, unsigned count) {
    size_t at = bits->position;
    skip(bits, count);
    if (bits->failed)
        return 0;
    uint32_t value = 0;
    for (; at < bits->position; at++)
        value = value << 1 | (bits->data[at / 8] >> (7 - at % 8) & 1);
    return value;
}

static unsigned width_of(uint32_t value) {
    unsigned width = 0;
    for (; value; value >>= 1)
        width++;
    return width;
}

/* A value below `count`, in as few bits as it takes (appendix A.8.2, ns(n)). */
static uint32_t get_non_symmetric(bits_t *bits, uint32_t count) {
    unsigned width = width_of(count);
    uint32_t least = ((uint32_t)1 << width) - count;
    uint32_t value = get(bits, width - 1);
    if (value < least)
        return value;
    return (value << 1) - least + get(bits, 1);
}

static void get_indications(bits_t *bits, unsigned targets, uint32_t *present, uint32_t *switches) {
    *present = *switches = 0;
    for (unsigned target = 0; target < targets; target++) {
        uint32_t indication = get(bits, 2);
        if (indication != NOT_PRESENT)
            *present |= (uint32_t)1 << target;
        if (indication == SWITCH)
            *switches |= (uint32_t)1 << target;
    }
}

static bool add(dependencies_t *dependencies, uint32_t difference) {
    if (dependencies->count == MAX_DEPENDENCIES)
        return false;
    dependencies->differences[dependencies->count++] = (uint16_t)difference;
    return true;
}

static bool get_template_differences(bits_t *bits, dependencies_t *dependencies) {
    dependencies->count = 0;
    while (get(bits, 1))
        if (!add(dependencies, get(bits, 4) + 1))
            return false;
    return !bits->failed;
}

static bool get_differences(bits_t *bits, dependencies_t *dependencies) {
    dependencies->count = 0;
    for (uint32_t size; (size = get(bits, 2));)
        if (!add(dependencies, get(bits, 4 * size) + 1))
            return false;
    return !bits->failed;
}

static bool get_template_layers(bits_t *bits, structure_t *structure) {
    uint8_t spatial = 0, temporal = 0;
    for (;;) {
        if (structure->template_count == MAX_TEMPLATES)
            return false;
        template_t *template = &structure->templates[structure->template_count++];
        template->spatial = spatial;
        template->temporal = temporal;
        uint32_t step = get(bits, 2);
        if (bits->failed)
            return false;
        if (step == NO_MORE_TEMPLATES)
            return true;
        if (step == NEXT_TEMPORAL_LAYER) {
            temporal++;
        } else if (step == NEXT_SPATIAL_LAYER) {
            temporal = 0;
            spatial++;
        }
    }
}

static void derive(structure_t *structure) {
    for (unsigned target = 0; target < structure->target_count; target++) {
        uint32_t all = structure->target_count == 32 ? UINT32_MAX : ((uint32_t)1 << structure->target_count) - 1;
        structure->within[target] = all;
        for (unsigned at = 0; at < structure->template_count; at++) {
            const template_t *template = &structure->templates[at];
            if (!(template->present >> target & 1))
                continue;
            structure->within[target] &= template->present;
            if (template->spatial > structure->spatial[target])
                structure->spatial[target] = template->spatial;
            if (template->temporal > structure->temporal[target])
                structure->temporal[target] = template->temporal;
        }
    }
}

static bool get_structure(bits_t *bits, structure_t *structure) {
    memset(structure, 0, sizeof *structure);
    structure->first_template = (uint8_t)get(bits, 6);
    structure->target_count = (uint8_t)(get(bits, 5) + 1);
    if (!get_template_layers(bits, structure))
        return false;
    unsigned count = structure->template_count;
    for (unsigned at = 0; at < count; at++)
        get_indications(
            bits, structure->target_count, &structure->templates[at].present, &structure->templates[at].switches);
    for (unsigned at = 0; at < count; at++)
        if (!get_template_differences(bits, &structure->templates[at].dependencies))
            return false;
    structure->chain_count = (uint8_t)get_non_symmetric(bits, structure->target_count + 1u);
    if (structure->chain_count) {
        for (unsigned target = 0; target < structure->target_count; target++)
            get_non_symmetric(bits, structure->chain_count);
        skip(bits, 4u * structure->chain_count * count);
    }
    if (get(bits, 1))
        skip(bits, 32u * (structure->templates[count - 1].spatial + 1u));
    derive(structure);
    return !bits->failed;
}

bool descriptor_read(
    const uint8_t *data, size_t size, const structure_t *known, structure_t *attached, descriptor_t *out) {
    bits_t bits = {.data = data, .end = 8 * size};
    memset(out, 0, sizeof *out);
    out->begins = get(&bits, 1);
    out->ends = get(&bits, 1);
    uint32_t template_id = get(&bits, 6);
    out->frame_number = (uint16_t)get(&bits, 16);
    const structure_t *structure = known;
    bool custom_indications = false, custom_differences = false, custom_chains = false;
    if (size > DESCRIPTOR_MANDATORY) {
        bool has_structure = get(&bits, 1), has_active = get(&bits, 1);
        custom_indications = get(&bits, 1);
        custom_differences = get(&bits, 1);
        custom_chains = get(&bits, 1);
        if (has_structure) {
            if (!get_structure(&bits, attached))
                return false;
            structure = attached;
            out->has_structure = out->has_active = true;
            out->active =
                structure->target_count == 32 ? UINT32_MAX : ((uint32_t)1 << structure->target_count) - 1;
        }
        if (!structure)
            return false;
        if (has_active) {
            out->has_active = true;
            /* The highest bit comes first. */
            out->active = get(&bits, structure->target_count);
        }
    }
    if (!structure || bits.failed)
        return false;
    unsigned index = (template_id - structure->first_template) & (MAX_TEMPLATES - 1);
    if (index >= structure->template_count)
        return false;
    const template_t *template = &structure->templates[index];
    out->spatial = template->spatial;
    out->temporal = template->temporal;
    out->present = template->present;
    out->switches = template->switches;
    out->dependencies = template->dependencies;
    if (custom_indications)
        get_indications(&bits, structure->target_count, &out->present, &out->switches);
    if (custom_differences && !get_differences(&bits, &out->dependencies))
        return false;
    if (custom_chains)
        skip(&bits, 8u * structure->chain_count);
    return !bits.failed;
}
