"""Logs, metrics and traces of the HTTP side."""
