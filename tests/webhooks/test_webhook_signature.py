"""Signatures, by the vectors of the standard's own libraries."""

from __future__ import annotations

import base64

import pytest

from webhooks.signature import parse_secret, sign, signed_headers

# Secret, id, timestamp, body, signature: the example of the specification (spec/standard-webhooks.md, whose
# secret is shorter than it asks for), and that of its reference libraries.
VECTORS = [
    (
        "plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        1731705121,
        '{"event_type":"ping","data":{"success":true}}',
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    ),
    (
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
]


@pytest.mark.parametrize(("secret", "message_id", "timestamp", "body", "signature"), VECTORS)
def test_known_signatures(secret: str, message_id: str, timestamp: int, body: str, signature: str) -> None:
    assert sign(base64.b64decode(secret), message_id, timestamp, body) == signature


def test_each_key_signs() -> None:
    keys = (b"a" * 24, b"b" * 24)
    assert signed_headers(keys, "msg_1", 5, "{}") == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "5",
        "webhook-signature": f"{sign(keys[0], 'msg_1', 5, '{}')} {sign(keys[1], 'msg_1', 5, '{}')}",
    }


def test_a_secret() -> None:
    assert parse_secret("whsec_" + base64.b64encode(b"k" * 32).decode()) == b"k" * 32


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (base64.b64encode(b"k" * 32).decode(), "does not begin with whsec_"),
        ("whsec_!!!!", "not base64"),
        ("whsec_äöü", "not base64"),
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), "has 23 bytes, not 24 to 64"),
        ("whsec_" + base64.b64encode(b"k" * 65).decode(), "has 65 bytes, not 24 to 64"),
    ],
)
def test_what_is_no_secret(secret: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        parse_secret(secret)
    assert secret.removeprefix("whsec_") not in str(refusal.value)
