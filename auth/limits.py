"""How often accounts may be tried, by whom: passwords, registrations, refreshes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from api.address import network_of
from api.errors import RATE_LIMITED, ApiError
from auth.throttle import Throttle

# Seconds.
LOGIN_PERIOD = 15 * 60
REGISTER_PERIOD = 60 * 60
REFRESH_PERIOD = 60

# A name that many addresses try, or an address that tries many names, may do this many times what one
# address may do with one name: a whole office may sit behind one address.
MANY = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator allows; 0 allows everything."""

    login_attempts: int = 10
    """Wrong passwords for one account from one address, per 15 minutes."""
    registrations: int = 20
    """Accounts made from one address, per hour."""
    refreshes: int = 30
    """Refreshes of one session, per minute."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that was counted, until it turns out well."""

    keys: Sequence[tuple[Throttle, Hashable]]

    def succeeded(self) -> None:
        """Uncount it."""
        for throttle, key in self.keys:
            throttle.give_back(key)


class AccountLimits:
    """Counts what is tried, and refuses what is too much.

    A password is guessed neither by many tries at one account nor by one try at many: both are counted.
    Nobody else's tries keep people out at their own address, short of ten times what one address may do.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs = Throttle(limits.login_attempts, LOGIN_PERIOD)
        self._accounts = Throttle(limits.login_attempts * MANY, LOGIN_PERIOD)
        self._addresses = Throttle(limits.login_attempts * MANY, LOGIN_PERIOD)
        self._registrations = Throttle(limits.registrations, REGISTER_PERIOD)
        self._refreshes = Throttle(limits.refreshes, REFRESH_PERIOD)
        self._refresh_addresses = Throttle(limits.refreshes * MANY, REFRESH_PERIOD)

    def password(self, username: str, address: str | None) -> Attempt:
        """Count a try at the password of an account. Raise ApiError 429."""
        name, network = username.lower()[:64], network_of(address)
        return self._try(
            "Too many wrong passwords",
            [(self._pairs, (name, network)), (self._accounts, name), (self._addresses, network)],
        )

    def registration(self, address: str | None) -> Attempt:
        """Count a registration. Raise ApiError 429."""
        return self._try("Too many accounts were made here", [(self._registrations, network_of(address))])

    def refresh(self, family: str, address: str | None) -> Attempt:
        """Count a refresh of a session. Raise ApiError 429."""
        keys = [(self._refreshes, family), (self._refresh_addresses, network_of(address))]
        return self._try("Too many refreshes", keys)

    def _try(self, what: str, keys: Sequence[tuple[Throttle, Hashable]]) -> Attempt:
        now = self._clock()
        wait = max(throttle.wait(key, now) for throttle, key in keys)
        if wait > 0:
            raise too_many(what, wait)
        for throttle, key in keys:
            throttle.take(key, now)
        return Attempt(keys)


def too_many(what: str, wait: float) -> ApiError:
    """Return the refusal of what may be tried again in `wait` seconds."""
    seconds = math.ceil(wait)
    unit = "second" if seconds == 1 else "seconds"
    return RATE_LIMITED(f"{what}; try again in {seconds} {unit}.", {"Retry-After": str(seconds)})
