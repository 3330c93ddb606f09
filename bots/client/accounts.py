"""Accounts and their sessions: /auth/…"""

from __future__ import annotations

from bots.client.answers import AccountInfo, SessionInfo, SignedIn
from bots.client.connection import Connection, Request, path_of


class Accounts:
    """Signs in, and looks after the account that is signed in. All methods raise ApiProblem."""

    def __init__(self, connection: Connection, device_id: str) -> None:
        self._connection = connection
        self._device = {"X-Device-ID": device_id}

    async def register(self, username: str, password: str) -> SignedIn:
        """Make an account and sign in; requests are made with it from now on."""
        return await self._sign_in("register", username, password)

    async def login(self, username: str, password: str) -> SignedIn:
        """Sign in; requests are made with the account from now on. Ends the session that the device has."""
        return await self._sign_in("login", username, password)

    async def refresh(self) -> SignedIn:
        """Get a new access token; the client does so by itself when the one it has is expired."""
        request = Request("POST", "/auth/refresh", authenticated=False, repeatable=True)
        signed_in = await self._connection.call(request, SignedIn)
        self._connection.token = signed_in.token
        return signed_in

    async def logout(self) -> None:
        """End the session of this client."""
        await self._connection.do(Request("POST", "/auth/logout", authenticated=False, repeatable=True))
        self._forget()

    async def account(self) -> AccountInfo:
        """Return who is signed in."""
        return await self._connection.call(Request("GET", "/auth/account"), AccountInfo)

    async def change_password(self, current: str, new: str) -> None:
        """Change the password and end all other sessions."""
        body = {"currentPassword": current, "newPassword": new}
        await self._connection.do(Request("POST", "/auth/password", body))

    async def delete(self, password: str) -> None:
        """Delete the account with all that belongs to it, for good."""
        await self._connection.do(Request("POST", "/auth/account/delete", {"password": password}))
        self._forget()

    async def sessions(self) -> list[SessionInfo]:
        """Return the devices on which the account is signed in, the last used first."""
        return await self._connection.call(
            Request("GET", "/auth/sessions", headers=self._device), list[SessionInfo]
        )

    async def delete_session(self, session_id: str) -> None:
        """Sign a device out."""
        await self._connection.do(Request("DELETE", path_of("auth", "sessions", session_id)))

    async def delete_sessions(self, *, keep_current: bool = False) -> None:
        """Sign out everywhere, or everywhere else."""
        query = {"keepCurrent": "true" if keep_current else "false"}
        await self._connection.do(Request("DELETE", "/auth/sessions", query=query))
        if not keep_current:
            self._forget()

    async def _sign_in(self, action: str, username: str, password: str) -> SignedIn:
        request = Request(
            "POST",
            path_of("auth", action),
            {"username": username, "password": password},
            headers=self._device,
            authenticated=False,
            # A second one takes the place of the first; a second registration finds the name taken.
            repeatable=action == "login",
        )
        signed_in = await self._connection.call(request, SignedIn)
        self._connection.token = signed_in.token
        self._connection.renew = self.refresh
        return signed_in

    def _forget(self) -> None:
        self._connection.token = None
        self._connection.renew = None
