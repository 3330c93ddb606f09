"""All that is looked at, in the order from outside in."""

from __future__ import annotations

from chatter.doctor import data, front, machine, media, turn
from chatter.doctor.finding import Finding, fault, ok
from chatter.doctor.stun import mapped_address
from chatter.settings import Settings
from sfu.net.addresses import interface_addresses


async def examine(settings: Settings, url: str | None = None) -> list[Finding]:
    """Look at the server of these settings; `url` is where browsers find it, with its proxy."""
    own = front.local_url(settings.server.address)
    runs = await front.running(own)
    found = await front.examine(url.rstrip("/") if url else own) if url or runs else []
    if not runs:
        found.append(front.free(settings.server.address))
    interfaces = interface_addresses()
    addresses = media.offered(settings.media, interfaces, local=not settings.media.announced_addresses)
    if runs:
        found += await media.answers(settings.media, addresses, mapped_address)
    else:
        found.append(media.free(settings.media))
    public, stun = await _public_address(settings)
    found += stun
    offered = media.offered(settings.media, interfaces, local=False)
    found.append(media.judge_addresses(offered, settings.media.announced_addresses, interfaces, public))
    found += await turn.examine(settings.turn.server)
    found += await data.examine(settings)
    found += machine.examine(settings.rooms.max_participants)
    return found


async def _public_address(settings: Settings) -> tuple[str | None, list[Finding]]:
    public, found = None, []
    servers = media.stun_servers([server.for_clients() for server in settings.rooms.ice_servers])
    for host, port in servers:
        try:
            mapped = await mapped_address(host, port)
        except OSError as error:
            mapped, why = None, f"cannot be reached: {error.strerror or error}"
        else:
            why = "does not answer"
        if mapped is None:
            found.append(
                fault("STUN", f"{host}:{port} {why}.", "Clients are told of it: mend rooms.ice_servers.")
            )
        else:
            public = mapped[0]
            found.append(ok("STUN", f"{host}:{port} sees us as {public}."))
    return public, found
