/* libsrtp 2.x without its headers: the functions come as pointers from the pylibsrtp wheel. */
#ifndef CHATTER_SRTP_H
#define CHATTER_SRTP_H

#include <stdint.h>

#include "drop.h"

typedef int (*srtp_process_t)(void *session, void *packet, int *size);
typedef int (*srtp_remove_stream_t)(void *session, unsigned int ssrc);

/* In-place signatures of libsrtp 2.0 to 2.7; 3.0 has others. */
typedef struct srtp {
    srtp_process_t protect, unprotect, protect_rtcp, unprotect_rtcp;
    srtp_remove_stream_t remove_stream;
} srtp_t;

#define SRTP_OK 0

/* The reason that a status of unprotect stands for. */
drop_t srtp_rtp_drop(int status);
drop_t srtp_rtcp_drop(int status);

#endif
