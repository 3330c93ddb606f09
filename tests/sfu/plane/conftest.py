from collections.abc import Callable

import pytest
from plane_world import World

from sfu.plane.interface import Plane
from sfu.plane._fast import FastPlane
from sfu.plane.reference import ReferencePlane

PLANES: list[Callable[[], Plane]] = [ReferencePlane, FastPlane]


@pytest.fixture(params=PLANES, ids=lambda create: create.__name__)
def create(request: pytest.FixtureRequest) -> Callable[[], Plane]:
    return request.param


@pytest.fixture
def plane(create: Callable[[], Plane]) -> Plane:
    return create()


@pytest.fixture
def world(plane: Plane) -> World:
    return World(plane)
