#include "srtp.h"

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
