/* The dependency descriptor RTP header extension (RTP Payload Format For AV1, version 1.0, appendix A). */
#ifndef CHATTER_DEPENDENCY_H
#define CHATTER_DEPENDENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DESCRIPTOR_MANDATORY 3
#define MAX_TEMPLATES 64
#define MAX_TARGETS 32
/* Frames that one frame is predicted from: AV1 has seven references. */
#define MAX_DEPENDENCIES 8

typedef struct dependencies {
    uint8_t count;
    uint16_t differences[MAX_DEPENDENCIES];
} dependencies_t;

typedef struct template {
    uint8_t spatial, temporal;
    uint32_t present, switches; /* masks of decode targets */
    dependencies_t dependencies;
} template_t;

/* A template dependency structure: it holds for the frames after the one that carries it. */
typedef struct structure {
    uint8_t first_template, template_count, target_count, chain_count;
    template_t templates[MAX_TEMPLATES];
    uint8_t spatial[MAX_TARGETS], temporal[MAX_TARGETS]; /* of each decode target: the highest that it has */
    uint32_t within[MAX_TARGETS]; /* for each decode target those that have all of its frames */
} structure_t;

typedef struct descriptor {
    bool begins, ends;
    uint8_t spatial, temporal;
    uint16_t frame_number;
    uint32_t present, switches;
    dependencies_t dependencies;
    bool has_structure;
    bool has_active;
    uint32_t active;
} descriptor_t;

/* Read a descriptor by `known` (NULL for none), or by the structure that it carries, which goes to `attached`.
 * False where it is cut short, or there is no structure or no such template. */
bool descriptor_read(
    const uint8_t *data, size_t size, const structure_t *known, structure_t *attached, descriptor_t *out);

#endif
