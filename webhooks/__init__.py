"""Tells other programs over HTTP what happens in rooms, signed, and as often as it takes."""
