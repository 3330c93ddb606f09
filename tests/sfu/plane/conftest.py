from collections.abc import Callable, Iterator

import pytest
from ledger import Ledger, Watch
from plane_world import World

from sfu.plane._fast import FastPlane
from sfu.plane.interface import Plane
from sfu.plane.reference import ReferencePlane

# Planes that a test leaves behind may outlive it, and call what it has put in their way.
_WATCHES: list[Watch] = []
PLANES: list[Callable[[], Plane]] = [ReferencePlane, FastPlane]


@pytest.fixture(autouse=True)
def ledger() -> Iterator[Ledger]:
    """Holds, in every test, that no SRTP index is used for two plaintexts."""
    watch = Watch()
    _WATCHES.append(watch)
    with watch as ledger:
        yield ledger


@pytest.fixture(params=PLANES, ids=lambda create: create.__name__)
def create(request: pytest.FixtureRequest) -> Callable[[], Plane]:
    return request.param


@pytest.fixture
def plane(create: Callable[[], Plane]) -> Plane:
    return create()


@pytest.fixture
def world(plane: Plane) -> World:
    return World(plane)
