"""A device that signs in, and what people call it."""

from __future__ import annotations

from dataclasses import dataclass

USER_AGENT_LENGTH = 256

# The first that fits: browsers name those that they descend from.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """What signs in."""

    id: str
    """The X-Device-ID."""
    user_agent: str | None = None
    """The User-Agent, at most 256 characters of it."""
    address: str | None = None
    """The IP address that it was seen at."""


def device_name(user_agent: str | None) -> str | None:
    """Return what people call the device: `Firefox on Linux`, or the program's own name."""
    if not user_agent or not user_agent.strip():
        return None
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    if browser is None:
        return user_agent.split()[0].partition("/")[0][:64]
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return browser if system is None else f"{browser} on {system}"
