import pytest

from observability.redaction import redact


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/ws/abc?token=eyJhbGci.x.y", "/ws/abc?token=[redacted]"),
        ("/ws/abc?displayName=Al&token=eyJ&x=1", "/ws/abc?displayName=Al&token=[redacted]&x=1"),
        ("GET /ws/abc?TOKEN=eyJ HTTP/1.1", "GET /ws/abc?TOKEN=[redacted] HTTP/1.1"),
        ("Authorization: Bearer eyJhbGci.x-y_z", "Authorization: Bearer [redacted]"),
        ("refresh_token=abc; Path=/auth", "refresh_token=[redacted]; Path=/auth"),
        ("/rooms?tokens=5", "/rooms?tokens=5"),
        ("the token is long", "the token is long"),
        ({"Authorization": "Basic YTpi", "path": "/"}, {"Authorization": "[redacted]", "path": "/"}),
        ({"headers": [{"cookie": "a=b"}]}, {"headers": [{"cookie": "[redacted]"}]}),
        ({"password": "securepassword", "status": 200}, {"password": "[redacted]", "status": 200}),
        (5, 5),
    ],
)
def test_keeps_secrets_out(value, expected):
    assert redact(value) == expected
