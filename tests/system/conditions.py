"""Waiting for what must become true: every wait has a limit, and says what it waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

POLL = 0.1

WINDOW = 2.0
"""Seconds over which a rate is measured."""

Value = TypeVar("Value")


async def until(
    check: Callable[[], Awaitable[Value]], what: str, *, limit: float = 15.0, poll: float = POLL
) -> Value:
    """Return what `check` gives as soon as it is truthy.

    Raises AssertionError after `limit` seconds, with what it gave last.
    """
    deadline = time.monotonic() + limit
    while True:
        value = await check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {limit:g} s: {what}; at last: {value!r}")
        await asyncio.sleep(poll)


async def until_equal(
    read: Callable[[], Awaitable[Any]], expected: object, what: str, *, limit: float = 15.0
) -> None:
    """Wait until `read` gives `expected`. Raises AssertionError with what it gave last."""
    last: Any = None

    async def check() -> bool:
        nonlocal last
        last = await read()
        return bool(last == expected)

    try:
        await until(check, what, limit=limit)
    except AssertionError:
        raise AssertionError(f"not within {limit:g} s: {what}: {last!r} is not {expected!r}") from None


async def until_rates(
    read: Callable[[], Awaitable[Mapping[str, float]]],
    least: float,
    what: str,
    *,
    count: int,
    limit: float = 30.0,
    window: float = WINDOW,
) -> dict[str, float]:
    """Wait until `count` counters each rise by `least` per second or more over one window; return the rates.

    Raises AssertionError with the rates of the last window.
    """
    rates: dict[str, float] = {}
    began, before = time.monotonic(), await read()

    async def check() -> bool:
        nonlocal began, before, rates
        elapsed = time.monotonic() - began
        if elapsed < window:
            return False
        now = await read()
        rates = {key: round((now[key] - before[key]) / elapsed, 3) for key in now if key in before}
        began, before = time.monotonic(), now
        return len(rates) == count and all(rate >= least for rate in rates.values())

    try:
        await until(check, what, limit=limit)
    except AssertionError:
        raise AssertionError(
            f"not within {limit:g} s: {what}: {count} at {least:g} per second or more; at last: {rates}"
        ) from None
    return rates
