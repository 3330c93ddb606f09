"""The HTTP side of rooms that are kept: settings, moderation, join tokens and API keys."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiohttp import web

from api.errors import INVALID_CURSOR, INVALID_REQUEST, ErrorKind
from api.pages import Page, PageQuery, page_of
from api.routes import Authentication, Routes
from auth.database import Database
from auth.errors import DATABASE_FAULTS, TOKEN_INVALID
from auth.http import ACCOUNT, CHALLENGE, IDENTITY, require_identity
from auth.tokens import Identity, TokenError
from rooms.api_keys import PREFIX, ApiKeys, TooManyKeysError
from rooms.join_tokens import JoinToken, JoinTokens
from rooms.models import ApiKeyRow, JoinTokenRow, RoomRow
from rooms.policy import policy_of
from rooms.repository import RoomRows
from rooms.views import (
    ApiKeyAnswer,
    ApiKeyPath,
    ApiKeyView,
    JoinTokenAnswer,
    Moderation,
    NewApiKey,
    NewJoinToken,
    ParticipantPath,
    ParticipantView,
    RoomChange,
    RoomPath,
    RoomView,
)
from signaling.closing import ROOM_DELETED
from signaling.grants import Grants, Role
from signaling.messages import Moderate, ProtocolError
from signaling.moderation import perform
from signaling.participant import Participant
from signaling.rooms import Rooms

DATABASE = web.AppKey("rooms_database", Database)
LIVE = web.AppKey("live_rooms", Rooms)
API_KEYS = web.AppKey("api_keys", ApiKeys)
JOIN_TOKENS = web.AppKey("join_tokens", JoinTokens)
API_KEY_ID = web.RequestKey("api_key_id", uuid.UUID)

ROOM_NOT_FOUND = ErrorKind(404, "room_not_found", "There is no such room")
PARTICIPANT_NOT_FOUND = ErrorKind(404, "participant_not_found", "Nobody of that id is there")
API_KEY_NOT_FOUND = ErrorKind(404, "api_key_not_found", "There is no such key")
NOT_PERMITTED = ErrorKind(403, "not_permitted", "This is not yours to decide")
ROOM_IS_FULL = ErrorKind(409, "room_full", "The room is full")
TOO_MANY_API_KEYS = ErrorKind(409, "too_many_api_keys", "The account has as many keys as it may")


async def require_account_or_key(request: web.Request) -> Identity:
    """Return for whom the bearer token or API key speaks. Raise ApiError 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip().startswith(PREFIX):
        return await require_identity(request)
    try:
        identity, key_id = await request.app[API_KEYS].identify(token.strip())
    except TokenError as error:
        raise TOKEN_INVALID(str(error), CHALLENGE) from None
    request[IDENTITY], request[API_KEY_ID] = identity, key_id
    return identity


ACCOUNT_OR_KEY = Authentication(
    schemes={**ACCOUNT.schemes, "apiKey": {"type": "http", "scheme": "bearer"}},
    identify=require_account_or_key,
    errors=ACCOUNT.errors,
)

routes = Routes("rooms", errors=DATABASE_FAULTS)


def setup(app: web.Application, database: Database, rooms: Rooms, tokens: JoinTokens, keys: ApiKeys) -> None:
    """Add the routes to `app`."""
    app[DATABASE], app[LIVE], app[JOIN_TOKENS], app[API_KEYS] = database, rooms, tokens, keys
    routes.add_to(app)


@routes.get("/rooms", authentication=ACCOUNT_OR_KEY, errors=[INVALID_CURSOR])
async def list_rooms(request: web.Request, *, identity: Identity, query: PageQuery) -> Page[RoomView]:
    """List the rooms that one owns or moderates, the newest first."""
    after = query.after(int, str)
    before = None
    if after is not None:
        try:
            before = (datetime.fromtimestamp(int(after[0]) / 1e6, UTC), str(after[1]))
        except (OverflowError, ValueError, OSError):
            raise INVALID_CURSOR('"cursor" must be the nextCursor of an answer of this list.') from None
    async with request.app[DATABASE].transaction() as session:
        found = await RoomRows(session).of_user(identity.user_id, query.limit + 1, before)

    def item(row: RoomRow) -> RoomView:
        return _view(request, row, "owner" if row.owner_id == identity.user_id else "moderator")

    return page_of(found, query, item, lambda row: (round(row.created_at.timestamp() * 1e6), row.id))


@routes.get("/rooms/{roomId}", authentication=ACCOUNT_OR_KEY, errors=[ROOM_NOT_FOUND])
async def get_room(request: web.Request, *, identity: Identity, path: RoomPath) -> RoomView:
    """Tell how a room is set; whoever knows its id may join it, and so may ask."""
    row, role = await _room(request, identity, path.room_id)
    return _view(request, row, role)


@routes.patch("/rooms/{roomId}", authentication=ACCOUNT_OR_KEY, errors=[ROOM_NOT_FOUND, NOT_PERMITTED])
async def change_room(
    request: web.Request, *, identity: Identity, path: RoomPath, body: RoomChange
) -> RoomView:
    """Set a room otherwise; its owner may, and its moderators may lock it and switch its lobby.

    A call that goes on is changed too; the mode `p2p` holds from the next call on.
    """
    row, role = await _room(request, identity, path.room_id)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    allowed = {"lobby", "locked"} if role == "moderator" else set(changes) if role == "owner" else set()
    if refused := sorted(set(changes) - allowed):
        raise NOT_PERMITTED(f"Only the owner of the room may change {', '.join(refused)}.")
    async with request.app[DATABASE].transaction() as session:
        row = await session.merge(row)
        for name, value in changes.items():
            if name == "video_codecs":
                row.video_codecs = ",".join(value or ())
            elif value is not None or name == "max_participants":
                setattr(row, name, value)
    live = request.app[LIVE].get(row.id)
    if live is not None:
        live.set_policy(policy_of(row), time.time(), body.mode)
    return _view(request, row, role)


@routes.delete("/rooms/{roomId}", authentication=ACCOUNT_OR_KEY, errors=[ROOM_NOT_FOUND, NOT_PERMITTED])
async def delete_room(request: web.Request, *, identity: Identity, path: RoomPath) -> None:
    """Delete a room with its chat and join tokens; who is in it is told and leaves. Its owner may."""
    row, role = await _room(request, identity, path.room_id)
    if role != "owner":
        raise NOT_PERMITTED("Only the owner of a room may delete it.")
    async with request.app[DATABASE].transaction() as session:
        await RoomRows(session).delete(row.id)
    request.app[LIVE].forget(row.id, ROOM_DELETED, asyncio.get_running_loop().time())


@routes.post("/rooms/{roomId}/end", authentication=ACCOUNT_OR_KEY, errors=[ROOM_NOT_FOUND, NOT_PERMITTED])
async def end_call(request: web.Request, *, identity: Identity, path: RoomPath) -> None:
    """End the call for everybody; the room stays. Its moderators may."""
    row, role = await _moderated(request, identity, path.room_id)
    _perform(request, row, role, Moderate("end"))


@routes.get(
    "/rooms/{roomId}/participants",
    authentication=ACCOUNT_OR_KEY,
    errors=[ROOM_NOT_FOUND, NOT_PERMITTED],
)
async def list_participants(
    request: web.Request, *, identity: Identity, path: RoomPath
) -> list[ParticipantView]:
    """List who is in a room and in its lobby, as many as a room may have. Its moderators may."""
    row, _ = await _moderated(request, identity, path.room_id)
    live = request.app[LIVE].get(row.id)
    if live is None:
        return []
    people = [(person, False) for person in live.participants]
    people += [(person, True) for person in live.lobby.waiting]
    return [_person(person, waiting) for person, waiting in people]


@routes.post(
    "/rooms/{roomId}/participants/{participantId}/moderation",
    authentication=ACCOUNT_OR_KEY,
    errors=[ROOM_NOT_FOUND, NOT_PERMITTED, PARTICIPANT_NOT_FOUND, ROOM_IS_FULL],
)
async def moderate_participant(
    request: web.Request, *, identity: Identity, path: ParticipantPath, body: Moderation
) -> None:
    """Admit, deny, remove or mute somebody, or give them another role. The room's moderators may."""
    row, role = await _moderated(request, identity, path.room_id)
    if body.action == "role" and body.role is None:
        raise INVALID_REQUEST('"role" must be moderator, speaker or listener.')
    _perform(request, row, role, Moderate(body.action, path.participant_id, body.source, body.role))


@routes.post(
    "/rooms/{roomId}/tokens",
    authentication=ACCOUNT_OR_KEY,
    errors=[ROOM_NOT_FOUND, NOT_PERMITTED],
    idempotent=True,
)
async def mint_token(
    request: web.Request, *, identity: Identity, path: RoomPath, body: NewJoinToken
) -> JoinTokenAnswer:
    """Mint a join token. The room's moderators may; only its owner mints moderators."""
    row, role = await _moderated(request, identity, path.room_id)
    wanted = body.grants
    if wanted.hidden and (wanted.publish or wanted.chat or wanted.data or wanted.moderate):
        raise INVALID_REQUEST('"grants.hidden" excludes publish, chat, data and moderate.')
    if wanted.moderate and role != "owner":
        raise NOT_PERMITTED("Only the owner of a room may let others moderate it.")
    grants = Grants(
        frozenset(wanted.publish),
        wanted.subscribe,
        wanted.chat,
        wanted.data,
        wanted.moderate,
        wanted.hidden,
        wanted.bot,
    )
    expires_at = (datetime.now(UTC) + timedelta(seconds=body.expires_in)).replace(microsecond=0)
    token = JoinToken(uuid.uuid4(), row.id, body.name, grants, int(expires_at.timestamp()))
    async with request.app[DATABASE].transaction() as session:
        session.add(
            JoinTokenRow(
                id=token.id,
                room_id=row.id,
                api_key_id=request.get(API_KEY_ID),
                max_uses=body.uses,
                expires_at=expires_at,
            )
        )
    signed = request.app[JOIN_TOKENS].issue(token)
    return JoinTokenAnswer(token=signed, room_id=row.id, expires_at=expires_at)


@routes.post("/api-keys", status=201, authentication=ACCOUNT, errors=[TOO_MANY_API_KEYS], idempotent=True)
async def create_api_key(request: web.Request, *, identity: Identity, body: NewApiKey) -> ApiKeyAnswer:
    """Make a key by which programs act for this account in what concerns rooms; it is shown this once."""
    try:
        row, key = await request.app[API_KEYS].create(identity.user_id, body.name)
    except TooManyKeysError:
        raise TOO_MANY_API_KEYS("The account has 50 keys; revoke one that is not used.") from None
    return ApiKeyAnswer(id=str(row.id), name=row.name, created_at=row.created_at, key=key)


@routes.get("/api-keys", authentication=ACCOUNT)
async def list_api_keys(request: web.Request, *, identity: Identity) -> list[ApiKeyView]:
    """List this account's keys, the newest first; there are at most 50."""
    return [_key(row) for row in await request.app[API_KEYS].of_user(identity.user_id)]


@routes.delete("/api-keys/{keyId}", authentication=ACCOUNT, errors=[API_KEY_NOT_FOUND])
async def revoke_api_key(request: web.Request, *, identity: Identity, path: ApiKeyPath) -> None:
    """Revoke a key, and the join tokens that were minted by it."""
    try:
        revoked = await request.app[API_KEYS].revoke(identity.user_id, uuid.UUID(path.key_id))
    except ValueError:
        revoked = False
    if not revoked:
        raise API_KEY_NOT_FOUND("The account has no key of this id.")


async def _room(request: web.Request, identity: Identity, room_id: str) -> tuple[RoomRow, Role]:
    async with request.app[DATABASE].transaction() as session:
        rows = RoomRows(session)
        row = await rows.by_id(room_id)
        if row is None:
            raise ROOM_NOT_FOUND("There is no room of this id.")
        if row.owner_id == identity.user_id:
            return row, "owner"
        given = await rows.role_of(room_id, identity.user_id)
    return row, "moderator" if given == "moderator" else "listener" if given == "listener" else "speaker"


async def _moderated(request: web.Request, identity: Identity, room_id: str) -> tuple[RoomRow, Role]:
    row, role = await _room(request, identity, room_id)
    if role not in ("owner", "moderator"):
        raise NOT_PERMITTED("Only the owner and the moderators of the room may do this.")
    return row, role


def _perform(request: web.Request, row: RoomRow, role: Role, message: Moderate) -> None:
    live = request.app[LIVE].get(row.id)
    if live is None:
        if message.client_id:
            raise PARTICIPANT_NOT_FOUND("Nobody is in the room.")
        return
    try:
        perform(live, message, role, time.time())
    except ProtocolError as error:
        sentence = f"{str(error)[:1].upper()}{str(error)[1:]}."
        kinds = {"unknown_recipient": PARTICIPANT_NOT_FOUND, "room_full": ROOM_IS_FULL}
        raise kinds.get(error.code, NOT_PERMITTED)(sentence) from None


def _view(request: web.Request, row: RoomRow, role: Role) -> RoomView:
    live = request.app[LIVE].get(row.id)
    policy = policy_of(row)
    if live is not None:
        policy = replace(policy, locked=live.policy.locked, lobby=live.policy.lobby)
    return RoomView(
        room_id=row.id,
        name=policy.name,
        mode="p2p" if row.mode == "p2p" else "sfu" if row.mode == "sfu" else "auto",
        max_participants=policy.max_participants,
        video_codecs=list(policy.video_codecs),
        guests=policy.guests,
        lobby=policy.lobby,
        locked=policy.locked,
        role=role,
        participants=len([p for p in live.participants if not p.grants.hidden]) if live is not None else 0,
        created_at=row.created_at,
    )


def _person(person: Participant, waiting: bool) -> ParticipantView:
    return ParticipantView(
        id=person.id,
        display_name=person.display_name,
        role=person.role,
        user_id=person.user_id,
        waiting=waiting,
        hidden=person.grants.hidden,
        bot=person.grants.bot,
    )


def _key(row: ApiKeyRow) -> ApiKeyView:
    return ApiKeyView(id=str(row.id), name=row.name, created_at=row.created_at)
