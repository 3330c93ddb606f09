"""A selective forwarding unit: terminates each participant's WebRTC connection and forwards its tracks."""
