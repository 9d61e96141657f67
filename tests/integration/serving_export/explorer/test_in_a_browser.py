"""The explorer in headless Chromium: with the keyboard alone, on a phone, in the dark, and with nothing in the console."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from explorer_shop import FIRST, KEY, SECOND, TITLE, build_marts, explorer_shop, publish
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from cartwheel.local.config import free_ports
from serving_export.api.application import create_app

PHONE = {"width": 360, "height": 740}
expect.set_options(timeout=30_000)  # a busy machine is no failure
PAGES = ["", "user?id=user+1", "item?id=for_you+1", "search?q=user", "user?id=nobody"]


@pytest.fixture(scope="module")
def address(stores, tmp_path_factory) -> Iterator[str]:
    """Of the explorer of a small shop with two releases."""
    with explorer_shop(stores, "cartwheel_test_browser", tmp_path_factory.mktemp("logs")):
        build_marts()
        publish(FIRST, SECOND)
        (port,) = free_ports(1)
        server = uvicorn.Server(uvicorn.Config(create_app(), host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/explorer/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not (program or Path(playwright.chromium.executable_path).exists()):
            pytest.skip("there is no Chromium on this machine")
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on the form for the key; whatever its console complains of fails the test."""
    context = browser.new_context(**getattr(request, "param", {}))
    complaints: list[str] = []
    opened = context.new_page()

    def note(message: ConsoleMessage) -> None:
        expected = "the server responded with a status of 40" in message.text  # of a wrong key and an unknown user
        if message.type in ("error", "warning") and not expected:
            complaints.append(message.text)

    opened.on("console", note)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(address)
    yield opened
    context.close()
    assert complaints == []


def sign_in(page: Page) -> None:
    """With the keyboard alone."""
    expect(page.get_by_label("Key")).to_be_focused()  # by itself, soon after the page is there; keys before that are lost
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign in")
    page.wait_for_load_state()  # from here on its script hears the keyboard


def test_signing_in_leads_back_to_the_page_that_was_asked_for(page, address):
    page.goto(f"{address}user?id=user+1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_label("Key")).to_be_focused()
    page.keyboard.type("not the key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("That is not the key")
    page.get_by_label("Key").focus()
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("User user 1")
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_finding_an_item_with_the_keyboard_alone(page):
    sign_in(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("milk")
    suggestion = page.locator("#suggestions a")
    expect(suggestion).to_have_text(f"{TITLE}item for_you 1")
    page.keyboard.press("Escape")
    expect(suggestion).not_to_be_visible()
    page.keyboard.type(" ")
    expect(suggestion).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(suggestion).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    assert page.title() == f"{TITLE} · Cartwheel explorer"  # the script in it would have changed it


def test_a_user_and_the_way_to_an_item(page):
    sign_in(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("user 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("User user 1")
    expect(page.get_by_role("region", name="Discover").get_by_role("listitem")).to_have_count(5)
    page.get_by_role("region", name="Discover").get_by_role("link", name="Bread").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bread")


def test_the_skip_link_comes_first_and_the_focus_is_seen(page):
    sign_in(page)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("page", [{"viewport": PHONE}], indirect=True, ids=["phone"])
def test_nothing_is_wider_than_a_phone(page, address):
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    sign_in(page)
    for path in PAGES:
        page.goto(address + path)
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_text_stands_out_in_light_and_dark(page, address):
    """WCAG AA: a contrast of 4.5 for every text, against the nearest background that is not transparent."""
    sign_in(page)
    for path in PAGES:
        page.goto(address + path)
        worst, where = page.evaluate(WORST_CONTRAST)
        assert worst >= 4.5, f"{path}: {where}"


WORST_CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (channels(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = [99, ""];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) {
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility() || element.closest(".hidden, svg")) continue;
    const [a, b] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < worst[0]) worst = [contrast, text.data];
  }
  return worst;
}"""


def test_dark_is_dark(browser, address):
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        opened = context.new_page()
        opened.goto(address)
        shades[scheme] = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        context.close()
    assert shades == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}
