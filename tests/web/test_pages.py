"""The pages: that they render, keep to a strict Content-Security-Policy, and find their files."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from web import pages

PAGES = [
    "/",
    "/signin",
    "/register",
    "/account",
    "/admin",
    "/r/a1b2c3d4",
    "/r/not%20a%20room",
    "/nothing/here",
]
HTML = {"Accept": "text/html,application/xhtml+xml"}


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def addresses(self) -> Iterator[str]:
        for tag, attributes in self.found:
            for name in ("src", "href"):
                if tag != "a" and (value := attributes.get(name)):
                    yield value


@pytest.fixture
async def client() -> TestClient:
    app = web.Application()
    pages.setup(app, version="1.2.3")
    async with TestClient(TestServer(app)) as client:
        yield client


async def elements(client: TestClient, path: str) -> Elements:
    response = await client.get(path, headers=HTML)
    return Elements(await response.text())


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/", 200, "New room"),
        ("/signin", 200, "Welcome back"),
        ("/register", 200, "Create your account"),
        ("/account", 200, "Signed-in devices"),
        ("/admin", 200, "Choose a room"),
        ("/r/a1b2c3d4", 200, "Ready to join?"),
        ("/r/" + "x" * 64, 200, "Ready to join?"),
        ("/r/" + "x" * 65, 404, "That is not a room"),
        ("/r/a%2Fb", 404, "not"),
        ("/r/%3Cscript%3E", 404, "That is not a room"),
        ("/nothing", 404, "There is nothing here"),
    ],
)
async def test_page(client: TestClient, path: str, status: int, words: str) -> None:
    response = await client.get(path, headers=HTML)
    assert response.status == status
    assert response.content_type == "text/html"
    assert words in await response.text()


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: TestClient, path: str) -> None:
    response = await client.get(path, headers=HTML)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    found = Elements(await response.text()).found
    assert found
    for tag, attributes in found:
        assert tag != "style", path
        assert "style" not in attributes, (path, tag)
        assert not [name for name in attributes if name.startswith("on")], (path, tag)
        if tag == "script":
            assert attributes.get("src"), path
            assert attributes.get("type") == "module"
        for name in ("src", "href", "action"):
            assert not re.match(r"\w+:|//", attributes.get(name) or ""), (path, tag, attributes)


@pytest.mark.parametrize("path", PAGES)
async def test_the_files_of_a_page_are_there_and_kept(client: TestClient, path: str) -> None:
    addresses = list((await elements(client, path)).addresses())
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/static/1.2.3-"), address
        response = await client.get(address)
        assert response.status == 200, address
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", PAGES)
async def test_every_control_has_a_name(client: TestClient, path: str) -> None:
    found = (await elements(client, path)).found
    labelled = {attributes["for"] for tag, attributes in found if tag == "label" and "for" in attributes}
    for tag, attributes in found:
        if tag in ("input", "select", "textarea"):
            assert attributes["id"] in labelled, attributes
    identifiers = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


async def test_every_module_and_what_it_imports_is_served_as_javascript(client: TestClient) -> None:
    modules = sorted(pages.STATIC.rglob("*.js"))
    assert len(modules) > 30
    for path in modules:
        response = await client.get(f"/static/{path.relative_to(pages.STATIC).as_posix()}")
        assert response.status == 200
        assert response.content_type == "text/javascript"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        for imported in re.findall(r'^(?:import|export) [^;]*from "([^"]+)";', await response.text(), re.M):
            assert (path.parent / imported).resolve() in modules, f"{path.name} imports {imported}"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("style/base.css", "text/css"), ("icons.svg", "image/svg+xml"), ("app/tile.js", "text/javascript")],
)
async def test_types_and_caching(client: TestClient, name: str, content_type: str) -> None:
    response = await client.get(f"/static/{name}")
    assert (response.status, response.content_type) == (200, content_type)
    assert response.headers["Cache-Control"] == "no-cache"
    again = await client.get(f"/static/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    older = await client.get(f"/static/1.2.2-0123456789/{name}")
    assert (older.status, older.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["nothing.js", "../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "app", "1.2.3-0123456789/"]
)
async def test_only_static_files_are_served(client: TestClient, path: str) -> None:
    response = await client.get(f"/static/{path}")
    assert response.status == 404


async def test_programs_get_no_page_for_what_is_not_there(client: TestClient) -> None:
    response = await client.get("/nothing", headers={"Accept": "application/json"})
    assert response.status == 404
    assert response.content_type != "text/html"


async def test_a_forged_host_does_not_reach_the_policy(client: TestClient) -> None:
    response = await client.get("/", headers={"Host": "x; script-src *"})
    assert "script-src" not in response.headers.get("Content-Security-Policy", "")


def _scripts(folder: str) -> list[Path]:
    return sorted((pages.STATIC / folder).glob("*.js"))


@pytest.mark.parametrize("path", [*_scripts("chatter"), *_scripts("app")], ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
    assert not re.search(r"\beval\(|new Function|\.setAttribute\(\"style", text)


@pytest.mark.parametrize("path", _scripts("chatter"), ids=lambda path: path.name)
def test_the_library_knows_no_page(path: Path) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
    assert not re.search(r"\b(document|window|localStorage|navigator|location)\b", code)
    assert not re.search(r'from "\.\./', code), "it imports nothing outside its folder"


def test_every_icon_that_is_used_exists() -> None:
    symbols = set(re.findall(r'<symbol id="([\w-]+)"', (pages.STATIC / "icons.svg").read_text()))
    used = set()
    for path in (pages.HERE / "templates").glob("*.html"):
        used |= set(re.findall(r'icon\("([\w-]+)"', path.read_text()))
    for path in _scripts("app"):
        used |= set(re.findall(r'icon\("([\w-]+)"\)|symbol: "([\w-]+)"', path.read_text()))
    names = {name for entry in used for name in ([entry] if isinstance(entry, str) else entry) if name}
    assert len(names) > 10
    assert names <= symbols
