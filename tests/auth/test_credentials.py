import json

import pytest

from api.errors import ApiError
from api.validation import read_json, read_texts
from auth.credentials import Credentials, DeviceHeaders, NewAccount
from auth.errors import INVALID_DEVICE_ID, INVALID_PASSWORD, INVALID_USERNAME, MISSING_DEVICE_ID

KINDS = {
    kind.code: kind for kind in (INVALID_USERNAME, INVALID_PASSWORD, MISSING_DEVICE_ID, INVALID_DEVICE_ID)
}

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
    ],
)
def test_what_an_account_may_be_made_of(username, password, code):
    body = {"username": username, "password": password}
    assert Credentials(**body).could_exist() is (code is None)
    raw = json.dumps(body).encode()
    if code is None:
        assert read_json(raw, NewAccount, KINDS) == NewAccount(**body)
    else:
        with pytest.raises(ApiError) as caught:
            read_json(raw, NewAccount, KINDS)
        assert (caught.value.status, caught.value.code) == (400, code)
        name = code.removeprefix("invalid_")
        assert f'"{name}" must be' in caught.value.detail
        assert [error.pointer for error in caught.value.errors] == [f"#/{name}"]


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
        read_json(json.dumps(body).encode(), Credentials, KINDS)
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
    headers = {} if value is None else {"X-Device-ID": value}
    if code is None:
        assert read_texts(headers, DeviceHeaders, "header", KINDS).device_id == value
    else:
        with pytest.raises(ApiError, match="X-Device-ID") as caught:
            read_texts(headers, DeviceHeaders, "header", KINDS)
        assert (caught.value.status, caught.value.code) == (400, code)


def test_half_a_pair_of_surrogates_is_no_text():
    raw = b'{"username": "alice", "password": "\\ud800 is half a pair"}'
    with pytest.raises(ApiError) as caught:
        read_json(raw, Credentials, KINDS)
    assert caught.value.code == "invalid_json"
