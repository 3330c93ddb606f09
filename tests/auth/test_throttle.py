"""How often something may be tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError
from auth.limits import LOGIN_PERIOD, MANY, AccountLimits, Limits
from auth.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_by_one():
    throttle = Throttle(limit=3, period=30)
    for _ in range(3):
        assert throttle.wait("a", 0) == 0
        throttle.take("a", 0)
    assert throttle.wait("a", 0) == pytest.approx(10)
    assert throttle.wait("a", 4) == pytest.approx(6)
    assert throttle.wait("a", 10) == 0
    assert throttle.wait("b", 0) == 0


def test_what_turned_out_well_is_not_counted():
    throttle = Throttle(limit=1, period=10)
    throttle.take("a", 0)
    throttle.give_back("a")
    assert throttle.wait("a", 0) == 0
    throttle.give_back("a")
    throttle.take("a", 0)
    assert throttle.wait("a", 0) > 0


def test_no_limit():
    throttle = Throttle(limit=0, period=10)
    for _ in range(100):
        throttle.take("a", 0)
    assert throttle.wait("a", 0) == 0
    assert len(throttle) == 0


def test_a_flood_of_keys_costs_no_memory():
    throttle = Throttle(limit=1, period=10, max_keys=100)
    for key in range(1000):
        throttle.take(key, 0)
    assert len(throttle) == 100
    assert throttle.wait(999, 0) > 0


@given(
    limit=st.integers(1, 20),
    period=st.floats(0.1, 1000),
    steps=st.lists(st.floats(0, 100), max_size=100),
)
def test_never_more_than_the_limit_and_what_time_gives_back(limit, period, steps):
    throttle = Throttle(limit, period)
    now, taken = 0.0, 0
    for step in steps:
        now += step
        if throttle.wait("a", now) == 0:
            throttle.take("a", now)
            taken += 1
        assert taken <= limit + now * limit / period + 1e-6


def refused(call):
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status == 429
    return int(caught.value.headers["Retry-After"])


def test_one_who_guesses_is_stopped_and_others_are_not():
    clock = Clock()
    limits = AccountLimits(Limits(login_attempts=5), clock)
    for _ in range(5):
        limits.password("alice", "203.0.113.7")
    assert refused(lambda: limits.password("ALICE", "203.0.113.7")) == LOGIN_PERIOD / 5
    limits.password("alice", "203.0.113.8")
    limits.password("bob", "203.0.113.7")
    clock.now += LOGIN_PERIOD / 5
    limits.password("alice", "203.0.113.7")


def test_many_addresses_at_one_account_and_one_address_at_many_accounts():
    limits = AccountLimits(Limits(login_attempts=2), Clock())
    for number in range(2 * MANY):
        limits.password("alice", f"203.0.113.{number}")
        limits.password(f"user{number}", "198.51.100.1")
    refused(lambda: limits.password("alice", "203.0.113.200"))
    refused(lambda: limits.password("another", "198.51.100.1"))


def test_an_ipv6_site_is_one_visitor():
    limits = AccountLimits(Limits(registrations=1), Clock())
    limits.registration("2001:db8:1:2::1")
    refused(lambda: limits.registration("2001:db8:1:2:ffff::2"))
    limits.registration("2001:db8:1:3::1")


def test_what_is_refused_is_not_counted():
    clock = Clock()
    limits = AccountLimits(Limits(refreshes=1), clock)
    limits.refresh("family", None)
    wait = refused(lambda: limits.refresh("family", None))
    for _ in range(10):
        refused(lambda: limits.refresh("family", None))
    clock.now += wait
    limits.refresh("family", None)
