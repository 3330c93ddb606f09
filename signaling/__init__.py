"""Rooms: presence, chat, peer-to-peer relay, and the media server as the member `sfu`."""
