import jwt
import pytest

from auth.tokens import AccessTokens, Identity, TokenError, key_id

SECRET = "0123456789abcdef0123456789abcdef"
ALICE = Identity(7, "alice")
NOW = 1_700_000_000.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sign(secret=SECRET, algorithm="HS256", **changes):
    claims = {"sub": "7", "username": "alice", "iat": NOW, "exp": NOW + 60, "iss": "chatter", **changes}
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, secret, algorithm)


def test_a_token_names_whom_it_was_issued_to():
    tokens = AccessTokens(SECRET, 60, Clock())
    assert tokens.verify(tokens.issue(ALICE)) == ALICE


def test_a_token_carries_the_documented_claims():
    claims = jwt.decode(AccessTokens(SECRET, 60, Clock()).issue(ALICE), options={"verify_signature": False})
    assert claims == {"sub": "7", "username": "alice", "iat": NOW, "exp": NOW + 60, "iss": "chatter"}


@pytest.mark.parametrize(
    ("age", "code"), [(0, None), (59.9, None), (60, "token_expired"), (1e6, "token_expired")]
)
def test_a_token_lives_for_its_time(age, code):
    clock = Clock()
    tokens = AccessTokens(SECRET, 60, clock)
    token = tokens.issue(ALICE)
    clock.now += age
    if code is None:
        assert tokens.verify(token) == ALICE
    else:
        with pytest.raises(TokenError) as caught:
            tokens.verify(token)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "token",
    [
        "",
        "abc",
        "a.b.c",
        "ünïcode",
        sign(secret="another secret, also of 32 bytes "),
        sign(secret=SECRET * 2, algorithm="HS512"),
        sign(secret="", algorithm="none"),
        sign(iss="another"),
        sign(iss=None),
        sign(sub=None),
        sign(sub="alice"),
        sign(exp=None),
        sign(username=None),
        sign(username=5),
        sign()[:-2],
    ],
)
def test_refuses_what_is_not_ours(token):
    with pytest.raises(TokenError, match="not valid") as caught:
        AccessTokens(SECRET, 60, Clock()).verify(token)
    assert caught.value.code == "token_invalid"


def test_a_forged_claim_breaks_the_signature():
    tokens = AccessTokens(SECRET, 60, Clock())
    header, _, signature = tokens.issue(ALICE).split(".")
    body = tokens.issue(Identity(1, "admin")).split(".")[1]
    with pytest.raises(TokenError):
        tokens.verify(f"{header}.{body}.{signature}")


@pytest.mark.parametrize(("secret", "fits"), [("x" * 31, False), ("x" * 32, True), ("ü" * 16, True)])
def test_a_secret_has_at_least_256_bits(secret, fits):
    if fits:
        AccessTokens(secret, 60)
    else:
        with pytest.raises(ValueError, match="32 bytes"):
            AccessTokens(secret, 60)


OLD = "another secret, also of 32 bytes "


def test_a_key_is_named_and_may_be_changed():
    before, after = AccessTokens(OLD, 60, Clock()), AccessTokens(SECRET, 60, Clock(), previous=[OLD])
    assert after.verify(before.issue(ALICE)) == ALICE
    assert after.verify(after.issue(ALICE)) == ALICE
    with pytest.raises(TokenError):
        before.verify(after.issue(ALICE))
    with pytest.raises(TokenError):
        AccessTokens(SECRET, 60, Clock()).verify(before.issue(ALICE))
    kids = {jwt.get_unverified_header(tokens.issue(ALICE))["kid"] for tokens in (before, after)}
    assert kids == {key_id(OLD), key_id(SECRET)}


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_a_token_without_the_name_of_a_key_is_tried_with_each(secret):
    assert AccessTokens(SECRET, 60, Clock(), previous=[OLD]).verify(sign(secret=secret)) == ALICE


@pytest.mark.parametrize("kid", ["unknown", key_id(OLD), ""])
def test_the_name_of_another_key_is_not_believed(kid):
    token = jwt.encode(
        {"sub": "7", "username": "alice", "iat": NOW, "exp": NOW + 60, "iss": "chatter"},
        SECRET,
        headers={"kid": kid},
    )
    with pytest.raises(TokenError):
        AccessTokens(SECRET, 60, Clock(), previous=[OLD]).verify(token)


def test_a_token_names_its_session():
    tokens = AccessTokens(SECRET, 60, Clock())
    found = tokens.verify(tokens.issue(Identity(7, "alice", "s-1")))
    assert (found.session_id, found.issued_at) == ("s-1", NOW)


def test_a_secret_before_has_at_least_256_bits_too():
    with pytest.raises(ValueError, match="32 bytes"):
        AccessTokens(SECRET, 60, previous=["short"])
