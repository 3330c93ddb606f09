"""The ICE-lite agent (RFC 8445 section 2.5): it answers connectivity checks and never sends one."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from aioice import stun

from sfu.plane.interface import Address, Drop

# RFC 8445 section 5.3: at least 24 bits of randomness in the ufrag and 128 in the password.
UFRAG_CHARACTERS = 8
PASSWORD_CHARACTERS = 24

# A client's addresses that may send to us at once (one per network path); one more ends the oldest.
MAX_ADDRESSES = 8

# Seconds without a check on the path in use after which a check on another one is followed, nominated or not.
# Browsers check the path in use every 2.5 s at the least.
SILENCE = 3.0


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check that is well-formed; it has not been verified."""

    message: stun.Message
    local_ufrag: str
    """The first half of USERNAME: whom the check is for."""

    @property
    def nominates(self) -> bool:
        return "USE-CANDIDATE" in self.message.attributes


def read_binding_request(data: bytes) -> BindingRequest | Drop:
    """Parse a datagram as a connectivity check, or say why it is none."""
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error):
        return Drop.STUN_MALFORMED
    if message.message_class is not stun.Class.REQUEST or message.message_method is not stun.Method.BINDING:
        return Drop.STUN_UNEXPECTED
    local_ufrag, colon, _ = message.attributes.get("USERNAME", "").partition(":")
    if not colon:
        return Drop.STUN_UNKNOWN_USER
    return BindingRequest(message, local_ufrag)


def answer_stranger(data: bytes, address: Address) -> bytes | None:
    """Return the answer to a plain binding request (RFC 8489 section 2): who asks learns its own address, and
    that the port is open. None for anything else, and for a request that is shorter than the answer, so that
    nobody can have another address sent more than they sent.
    """
    try:
        request = stun.parse_message(data)
    except (ValueError, struct.error):
        return None
    if request.message_class is not stun.Class.REQUEST or request.message_method is not stun.Method.BINDING:
        return None
    if "USERNAME" in request.attributes:
        return None
    answer = bytes(
        stun.Message(
            stun.Method.BINDING,
            stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
            attributes={"XOR-MAPPED-ADDRESS": address},
        )
    )
    return answer if len(answer) <= len(data) else None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a verified check comes to."""

    response: bytes
    bind: tuple[Address, ...] = ()
    """Addresses to take packets from; the last one is where to send from now on."""
    unbind: Address | None = None
    """An address that has to go to make room."""


class IceAgent:
    """One transport's side of ICE: its credentials, the addresses it has verified, and consent."""

    def __init__(self, ufrag: str, pwd: str, now: float) -> None:
        self._passwords = {ufrag: pwd}
        self.ufrag = ufrag
        self.pwd = pwd
        self.selected: Address | None = None
        self.last_check = now
        """When the last verified check came; the agent's start before the first one."""
        self.first_check: float | None = None
        """When the first verified check came."""
        self._verified: OrderedDict[Address, float] = OrderedDict()
        """Address → when a check from it was last verified; the newest last."""

    @property
    def ufrags(self) -> tuple[str, ...]:
        """The ufrags that checks may name now: two between a restart and its first check."""
        return tuple(self._passwords)

    @property
    def connected(self) -> bool:
        return self.selected is not None

    def restart(self, ufrag: str, pwd: str) -> None:
        """Take new credentials (RFC 8445 section 9). The old ones hold until the new ones are used."""
        self._passwords = {self.ufrag: self.pwd, ufrag: pwd}
        self.ufrag = ufrag
        self.pwd = pwd

    def check(
        self, request: BindingRequest, address: Address, now: float, peer: Address | None = None
    ) -> CheckResult | Drop:
        """Verify a check and answer it. Only then is its address worth anything.

        `peer` is how the client is seen, where `address` only stands for it (TCP).
        """
        pwd = self._passwords.get(request.local_ufrag)
        if pwd is None:
            return Drop.STUN_UNKNOWN_USER
        if not request.message.check_message_integrity(pwd.encode()):
            return Drop.STUN_INTEGRITY
        renewed = request.local_ufrag == self.ufrag and len(self._passwords) > 1
        if request.local_ufrag == self.ufrag:
            self._passwords = {self.ufrag: self.pwd}
        if "ICE-CONTROLLED" in request.message.attributes:
            # A lite agent is always the controlled one (RFC 8445 section 7.3.1.1).
            return CheckResult(self._role_conflict(request))

        self.last_check = now
        if self.first_check is None:
            self.first_check = now
        known = address in self._verified
        self._verified[address] = now
        self._verified.move_to_end(address)
        unbind = None
        if len(self._verified) > MAX_ADDRESSES:
            unbind = next(other for other in self._verified if other not in (self.selected, address))
            del self._verified[unbind]
        # The first verified pair is used at once, so that DTLS does not wait for the nomination. After a
        # restart, too: who asks for one has probably lost the old path, and Chromium nominates only later.
        if self.selected is None or (
            address != self.selected and (renewed or request.nominates or self._is_silent(self.selected, now))
        ):
            self.selected = address
            bind: tuple[Address, ...] = (address,)
        elif not known:
            bind = (address, self.selected)
        else:
            bind = ()
        return CheckResult(self._success(request, peer or address), bind, unbind)

    def _is_silent(self, address: Address, now: float) -> bool:
        """Whether the client seems to be there no more.

        Where its address is changed on the way (NAT), a client that does not nominate with every check would
        otherwise never be followed.
        """
        return now - self._verified[address] >= SILENCE

    def forget(self, address: Address) -> None:
        """An address can be sent to no more; the newest of the others is used, if there is one."""
        self._verified.pop(address, None)
        if address == self.selected:
            self.selected = next(reversed(self._verified), None)

    def _success(self, request: BindingRequest, address: Address) -> bytes:
        return self._sign(
            stun.Message(
                stun.Method.BINDING,
                stun.Class.RESPONSE,
                transaction_id=request.message.transaction_id,
                attributes={"XOR-MAPPED-ADDRESS": address},
            ),
            request,
        )

    def _role_conflict(self, request: BindingRequest) -> bytes:
        return self._sign(
            stun.Message(
                stun.Method.BINDING,
                stun.Class.ERROR,
                transaction_id=request.message.transaction_id,
                attributes={"ERROR-CODE": (487, "Role Conflict")},
            ),
            request,
        )

    def _sign(self, message: stun.Message, request: BindingRequest) -> bytes:
        pwd = self._passwords.get(request.local_ufrag, self.pwd)
        message.add_message_integrity(pwd.encode())
        return bytes(message)
