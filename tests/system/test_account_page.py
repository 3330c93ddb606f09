"""The page of an account: devices, the password, and the end of it."""

from __future__ import annotations

import secrets

import pytest
from playwright.async_api import Browser, expect

from bots.account import Account
from bots.errors import SignInFailed
from tests.system.conftest import Arrive
from tests.system.server import Server
from tests.system.test_accounts import sign_in

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse battery"
ANOTHER = "staple and another horse"


async def test_devices_are_signed_out_and_the_account_is_deleted(
    server: Server, arrive: Arrive, chromium: Browser
) -> None:
    username = f"ann-{secrets.token_hex(4)}"
    await Account.register(server.url, username, PASSWORD)
    await Account.login(server.url, username, PASSWORD)
    page = (await arrive(chromium, "Ann")).page

    # The way there leads back to it.
    await page.goto(f"{server.url}/account")
    await sign_in(page, username, PASSWORD)
    await expect(page.get_by_test_id("account-username")).to_have_text(username)
    others, mine = page.get_by_test_id("session"), page.get_by_test_id("session-current")
    await expect(others).to_have_count(2)
    await expect(mine).to_contain_text("Chrome on Linux")
    await others.first.get_by_role("button").click()
    await expect(others).to_have_count(1)

    await page.get_by_test_id("current-password").fill("not that one")
    await page.get_by_test_id("new-password").fill(ANOTHER)
    await page.get_by_test_id("change-password").click()
    await expect(page.locator("#current-password-error")).to_have_text("The current password is wrong.")
    await page.get_by_test_id("current-password").fill(PASSWORD)
    await page.get_by_test_id("change-password").click()
    await expect(page.get_by_test_id("account-notice")).to_contain_text("changed")
    await page.reload()
    await expect(mine).to_have_count(1)
    await expect(others).to_have_count(0)

    await page.get_by_test_id("end-all").click()
    await sign_in(page, username, ANOTHER)
    await page.get_by_test_id("delete-password").fill(ANOTHER)
    await page.get_by_test_id("delete-account").click()
    await expect(page.get_by_test_id("register-link")).to_be_visible()
    with pytest.raises(SignInFailed, match="invalid_credentials"):
        await Account.login(server.url, username, ANOTHER)
