"""The product as a newcomer runs it: the demo's processes, and a real Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.signing_in.provider import (
    CLIENT_ID,
    SECRET,
    NodeMissing,
    Provider,
    installed,
    running_provider,
)

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Fleet UI is ready: (http://127\.0\.0\.1:\d+)")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
SIGN_IN = "form[action='/login/'] button[type=submit]"
expect.set_options(timeout=20_000)  # a machine with much else to do


def chromium() -> str:
    """The machine's Chromium, or "" where there is none."""
    return next((path for name in CHROMIUMS if (path := shutil.which(name))), "")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to put pictures of the pages, if they are wanted."""
    parser.addoption("--pictures", default="", help="folder for pictures of the pages")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the group, and skip it with one sentence where no Chromium is found."""
    for item in items:
        if ROOT / "tests" / "browser" in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not chromium() and not os.environ.get("CI"):
                item.add_marker(
                    pytest.mark.skip(reason="No Chromium here; install Debian's package chromium.")
                )


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The distribution's Chromium, silent on the network."""
    found = chromium()
    assert found, "No Chromium found: install Debian's package chromium."
    return {
        "executable_path": found,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


@dataclass(frozen=True)
class Demo:
    """A running demo: its address, its data folder and the passwords of its people."""

    url: str
    data: Path
    passwords: dict[str, str]


@pytest.fixture(scope="session")
def identity_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider | None]:
    """An identity provider for the demo; None where there is no Node.js for it."""
    try:
        installed()
    except NodeMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        yield None
        return
    folder = tmp_path_factory.mktemp("provider")
    with running_provider(folder, "http://127.0.0.1:8900/login/callback/") as provider:
        yield provider


@pytest.fixture(scope="session")
def demo(
    tmp_path_factory: pytest.TempPathFactory, identity_provider: Provider | None
) -> Iterator[Demo]:
    """The demo as `./fleet demo` runs it, in a folder of its own; stopped as by Ctrl-C.

    With an identity provider beside it, where there can be one.
    """
    data = tmp_path_factory.mktemp("demo")
    output = data / "output.txt"
    environment = {
        **os.environ,
        **(trusting(identity_provider) if identity_provider else {}),
        "FLEETUI_EMBEDDED": "1",
        "FLEETUI_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with output.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--port", "8900"],
            cwd=ROOT,
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = _address(process, output)
        if identity_provider:
            identity_provider.serve(f"{url}/login/callback/")
        yield Demo(url, data, json.loads((data / "sign-ins.json").read_text()))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    until = time.monotonic() + 300  # a machine with much else to do
    while time.monotonic() < until:
        found = READY.search(output.read_text())
        if found:
            return found[1]
        assert process.poll() is None, f"The demo ended:\n{output.read_text()[-3000:]}"
        time.sleep(0.2)
    raise AssertionError(f"The demo was not ready in time:\n{output.read_text()[-3000:]}")


def is_trouble(said: ConsoleMessage) -> bool:
    """Whether the browser complains about more than a form sent back with errors (422), or a request
    that the page gave up for a newer one."""
    fine = ("status of 422", "htmx:sendAbort", "htmx:afterRequest")
    return said.type == "error" and not any(words in said.text for words in fine)


def trusting(provider: Provider) -> dict[str, str]:
    """What makes an installation trust it."""
    return {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_NAME": "Example ID",
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": SECRET,
        "OIDC_SCOPES": "openid profile email groups",
        "OIDC_GROUP_MAP": "platform-team=Requesters",
        "OIDC_ALLOW_HTTP_LOOPBACK": "1",
    }


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(demo: Demo, browser: Browser) -> Iterator[SignIn]:
    """Open a page signed in as one of the demo's people; any error of the browser fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(
        who: str, *, width: str = "desktop", scheme: str = "light", javascript: bool = True
    ) -> Page:
        size = WIDTHS[width]
        context = browser.new_context(
            base_url=demo.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=javascript,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: troubles.append(said.text) if is_trouble(said) else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda asked: (
                troubles.append(f"asked {asked.url}")
                if not asked.url.startswith((demo.url, "data:"))
                else None
            ),
        )
        page.goto("/login/")
        page.get_by_label("Name", exact=True).fill(who)
        page.get_by_label("Password").fill(demo.passwords[who])
        page.locator(SIGN_IN).first.click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles, troubles


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Take a picture of a page into the folder that --pictures names; nothing where it names none."""
    folder = request.config.getoption("--pictures")

    def take(page: Page, name: str, *, full: bool = False) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=full)

    return take
