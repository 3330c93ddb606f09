/* AES-GCM of the RTP that one transport sends (RFC 7714), by OpenSSL's EVP without its headers: the functions come
 * as pointers. libsrtp wraps the same cipher, and takes half as long again for it: it finds the stream, the key and
 * the index of each packet anew, which the plane has at hand. */
#ifndef CHATTER_GCM_H
#define CHATTER_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCM_SALT 12
#define GCM_TAG 16
#define GCM_MAX_KEY 32

/* EVP_CIPHER_CTX_new(3), EVP_EncryptInit(3); all are there, or there is no `new_context`. */
typedef struct evp {
    void *(*new_context)(void);
    void (*free_context)(void *context);
    int (*init)(void *context, const void *cipher, void *engine, const uint8_t *key, const uint8_t *iv);
    int (*update)(void *context, uint8_t *out, int *out_size, const uint8_t *in, int in_size);
    int (*final)(void *context, uint8_t *out, int *out_size);
    int (*control)(void *context, int type, int argument, void *pointer);
    const void *(*aes_128_gcm)(void);
    const void *(*aes_256_gcm)(void);
    const void *(*aes_128_ecb)(void);
    const void *(*aes_256_ecb)(void);
} evp_t;

/* The session key of a transport; one thread at a time. */
typedef struct gcm {
    const evp_t *evp;
    void *context;
    uint8_t salt[GCM_SALT];
} gcm_t;

/* From the master key (16 or 32 bytes) and master salt that DTLS agreed on. NULL where memory is out or OpenSSL
 * refuses. `evp` lives as long as it. */
gcm_t *gcm_new(const evp_t *evp, const uint8_t *master_key, size_t key_size, const uint8_t master_salt[GCM_SALT]);
void gcm_free(gcm_t *gcm);

/* Encrypt what follows `header` bytes of the packet in place and put the tag behind it. `index` is the 48-bit
 * index of the packet (RFC 3711 section 3.3.1); the caller sees to it that each of an SSRC is used once. False where
 * OpenSSL refuses. */
bool gcm_protect(gcm_t *gcm, uint64_t index, uint8_t *packet, size_t header, size_t size);

#endif
