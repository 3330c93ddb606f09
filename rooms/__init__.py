"""Rooms that are kept: whose they are, how they are set, who may come in, and what was said."""
