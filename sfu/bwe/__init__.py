"""Congestion control towards subscribers: Google's, after draft-ietf-rmcat-gcc-02 and what libwebrtc does."""
