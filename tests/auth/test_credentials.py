import pytest

from auth.credentials import Credentials, check_device_id
from auth.errors import ApiError

GOOD = "securepassword"


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("abc", GOOD, None),
        ("a" * 32, GOOD, None),
        ("A.b_c-9", GOOD, None),
        ("ab", GOOD, "invalid_username"),
        ("a" * 33, GOOD, "invalid_username"),
        ("", GOOD, "invalid_username"),
        ("ali ce", GOOD, "invalid_username"),
        ("alice\n", GOOD, "invalid_username"),
        ("älice", GOOD, "invalid_username"),
        ("alice@example", GOOD, "invalid_username"),
        ("alice", "x" * 8, None),
        ("alice", "x" * 128, None),
        ("alice", "pässwörter 🔑", None),
        ("alice", "x" * 7, "invalid_password"),
        ("alice", "x" * 129, "invalid_password"),
        ("alice", "", "invalid_password"),
        ("alice", "null\0inside", "invalid_password"),
        ("alice", "\ud800 is half a pair", "invalid_password"),
    ],
)
def test_what_an_account_may_be_made_of(username, password, code):
    credentials = Credentials(username, password)
    assert credentials.could_exist() is (code is None)
    if code is None:
        credentials.check_new()
    else:
        with pytest.raises(ApiError) as caught:
            credentials.check_new()
        assert (caught.value.status, caught.value.code) == (400, code)
        assert f'"{code.removeprefix("invalid_")}"' in caught.value.message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "invalid_body"),
        (None, "invalid_body"),
        ("alice", "invalid_body"),
        ({}, "invalid_username"),
        ({"username": 5, "password": GOOD}, "invalid_username"),
        ({"username": "alice"}, "invalid_password"),
        ({"username": "alice", "password": None}, "invalid_password"),
        ({"username": "alice", "password": ["a"]}, "invalid_password"),
    ],
)
def test_refuses_a_body_without_both(body, code):
    with pytest.raises(ApiError) as caught:
        Credentials.parse(body)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("550e8400-e29b-41d4-a716-446655440000", None),
        ("x" * 128, None),
        (None, "missing_device_id"),
        ("", "invalid_device_id"),
        ("x" * 129, "invalid_device_id"),
        ("a b", "invalid_device_id"),
        ("gerät", "invalid_device_id"),
    ],
)
def test_device_ids(value, code):
    if code is None:
        assert check_device_id(value) == value
    else:
        with pytest.raises(ApiError, match="X-Device-ID") as caught:
            check_device_id(value)
        assert (caught.value.status, caught.value.code) == (400, code)
