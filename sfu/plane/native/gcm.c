#include "gcm.h"

#include <stdlib.h>
#include <string.h>

#include "rtp.h"

/* EVP_CTRL_AEAD_GET_TAG of openssl/evp.h. */
#define GET_TAG 0x10
/* RFC 3711 section 4.3.1. */
#define LABEL_KEY 0x00
#define LABEL_SALT 0x02
#define BLOCK 16
/* Where the label is added to the salt of 14 bytes: it is followed by an index of 6, which is 0. */
#define LABEL_AT 7

/* Key stream of AES in counter mode (RFC 3711 section 4.3.3). A salt of 12 bytes is padded to 14 (RFC 7714
 * section 11). */
static bool derive(
    const evp_t *evp, void *context, const uint8_t master_salt[GCM_SALT], uint8_t label, uint8_t *out, size_t size) {
    uint8_t counter[BLOCK] = {0}, stream[2 * BLOCK];
    memcpy(counter, master_salt, GCM_SALT);
    counter[LABEL_AT] ^= label;
    for (size_t at = 0; at < size; at += BLOCK, counter[BLOCK - 1]++) {
        int written;
        if (evp->update(context, stream, &written, counter, BLOCK) != 1 || written != BLOCK)
            return false;
        memcpy(out + at, stream, size - at < BLOCK ? size - at : BLOCK);
    }
    return true;
}

gcm_t *gcm_new(const evp_t *evp, const uint8_t *master_key, size_t key_size, const uint8_t master_salt[GCM_SALT]) {
    gcm_t *gcm = calloc(1, sizeof *gcm);
    void *context = evp->new_context();
    uint8_t key[GCM_MAX_KEY];
    bool large = key_size == GCM_MAX_KEY;
    if (gcm) {
        gcm->evp = evp;
        gcm->context = evp->new_context();
    }
    bool done = gcm && gcm->context && context &&
        evp->init(context, large ? evp->aes_256_ecb() : evp->aes_128_ecb(), NULL, master_key, NULL) == 1 &&
        derive(evp, context, master_salt, LABEL_KEY, key, key_size) &&
        derive(evp, context, master_salt, LABEL_SALT, gcm->salt, GCM_SALT) &&
        evp->init(gcm->context, large ? evp->aes_256_gcm() : evp->aes_128_gcm(), NULL, key, NULL) == 1;
    explicit_bzero(key, sizeof key);
    evp->free_context(context);
    if (done)
        return gcm;
    gcm_free(gcm);
    return NULL;
}

void gcm_free(gcm_t *gcm) {
    if (gcm)
        gcm->evp->free_context(gcm->context);
    free(gcm);
}

bool gcm_protect(gcm_t *gcm, uint64_t index, uint8_t *packet, size_t header, size_t size) {
    const evp_t *evp = gcm->evp;
    /* RFC 7714 section 8.1: two zero bytes, SSRC, roll-over counter, sequence number; all XOR the salt. */
    uint8_t iv[GCM_SALT] = {0};
    memcpy(iv + 2, packet + 8, 4);
    write32(iv + 6, (uint32_t)(index >> 16));
    write16(iv + 10, (uint16_t)index);
    for (size_t at = 0; at < GCM_SALT; at++)
        iv[at] ^= gcm->salt[at];
    int written;
    return evp->init(gcm->context, NULL, NULL, NULL, iv) == 1 &&
        evp->update(gcm->context, NULL, &written, packet, (int)header) == 1 &&
        (size == header ||
         evp->update(gcm->context, packet + header, &written, packet + header, (int)(size - header)) == 1) &&
        evp->final(gcm->context, packet + size, &written) == 1 &&
        evp->control(gcm->context, GET_TAG, GCM_TAG, packet + size) == 1;
}
