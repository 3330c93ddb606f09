/* libsrtp 2.x without its headers: the functions come as pointers from the pylibsrtp wheel. */
#ifndef CHATTER_SRTP_H
#define CHATTER_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop.h"
#include "gcm.h"

/* How far behind the newest sent a packet can still be protected, in packets: a second of video at 4 Mbit/s, so that
 * what was repaired on its way in goes out in its place. */
#define SEND_WINDOW 512

typedef int (*srtp_process_t)(void *session, void *packet, int *size);
typedef int (*srtp_remove_stream_t)(void *session, unsigned int ssrc);

/* In-place signatures of libsrtp 2.0 to 2.7; 3.0 has others. */
typedef struct srtp {
    srtp_process_t protect, unprotect, protect_rtcp, unprotect_rtcp;
    srtp_remove_stream_t remove_stream;
    evp_t evp;
} srtp_t;

/* How a transport protects what it sends. */
typedef struct sending_keys {
    void *session; /* libsrtp's, for RTCP and where there is no `gcm`; NULL before DTLS */
    gcm_t *gcm;    /* for RTP; NULL for other ciphers */
} sending_keys_t;

/* Which indices of one SSRC have been sent: of AES-GCM none may be used twice (RFC 7714 section 9.1). */
typedef struct send_window {
    int64_t next; /* beyond the newest sent; 0 before the first */
    uint64_t seen[SEND_WINDOW / 64]; /* by index modulo the window */
} send_window_t;

/* Note an index as used. False where it was, is too old to tell, or is none of 48 bits. */
bool send_window_take(send_window_t *window, int64_t index);

/* Protect an RTP packet in place; `*size` grows by the tag. `index` is the extended sequence number, `header` the
 * bytes that stay readable. False where it must not or cannot be sent. */
bool srtp_protect_rtp(
    const srtp_t *srtp,
    const sending_keys_t *keys,
    send_window_t *window,
    int64_t index,
    uint8_t *packet,
    size_t header,
    size_t *size);

#define SRTP_OK 0

/* The reason that a status of unprotect stands for. */
drop_t srtp_rtp_drop(int status);
drop_t srtp_rtcp_drop(int status);

#endif
