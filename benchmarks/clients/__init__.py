"""Clients that load a server: real ICE and DTLS in Python, media in C."""
