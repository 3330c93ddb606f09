#include "srtp.h"

#include <string.h>

/* srtp_err_status_t of libsrtp 2.x. */
#define BAD_PARAM 2
#define REPLAY_FAIL 9
#define REPLAY_OLD 10
#define PARSE_ERR 21

drop_t srtp_rtp_drop(int status) {
    switch (status) {
    case REPLAY_FAIL:
    case REPLAY_OLD:
        return DROP_SRTP_REPLAY;
    case BAD_PARAM:
    case PARSE_ERR:
        return DROP_MALFORMED_RTP;
    default:
        return DROP_SRTP_AUTH;
    }
}

drop_t srtp_rtcp_drop(int status) {
    switch (status) {
    case REPLAY_FAIL:
    case REPLAY_OLD:
        return DROP_SRTCP_REPLAY;
    case BAD_PARAM:
    case PARSE_ERR:
        return DROP_MALFORMED_RTCP;
    default:
        return DROP_SRTCP_AUTH;
    }
}

static bool test(const send_window_t *window, int64_t index) {
    return window->seen[index % SEND_WINDOW / 64] >> (index % 64) & 1;
}

static void mark(send_window_t *window, int64_t index, bool seen) {
    uint64_t *word = &window->seen[index % SEND_WINDOW / 64], bit = (uint64_t)1 << (index % 64);
    *word = seen ? *word | bit : *word & ~bit;
}

bool send_window_take(send_window_t *window, int64_t index) {
    if (index < 0 || index >> 48)
        return false;
    if (index < window->next) {
        if (index < window->next - SEND_WINDOW || test(window, index))
            return false;
    } else {
        if (index - window->next >= SEND_WINDOW)
            memset(window->seen, 0, sizeof window->seen);
        else
            for (int64_t skipped = window->next; skipped < index; skipped++)
                mark(window, skipped, false);
        window->next = index + 1;
    }
    mark(window, index, true);
    return true;
}

bool srtp_protect_rtp(
    const srtp_t *srtp,
    const sending_keys_t *keys,
    send_window_t *window,
    int64_t index,
    uint8_t *packet,
    size_t header,
    size_t *size) {
    if (keys->gcm) {
        if (!send_window_take(window, index) ||
            !gcm_protect(keys->gcm, (uint64_t)index, packet, header, *size))
            return false;
        *size += GCM_TAG;
        return true;
    }
    int protected_size = (int)*size;
    if (srtp->protect(keys->session, packet, &protected_size) != SRTP_OK)
        return false;
    *size = (size_t)protected_size;
    return true;
}
