"""Count clicks in the admin of the demo: a product manager's nine questions, and a merchant's two rules.

`python -m benchmarks.verify admin-clicks`; a server with the demo's past is started, and Chromium in front of it.
Typing is no click; choosing from a list is one.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from benchmarks.chromium import chromium_path
from benchmarks.process import TAP2, Server, free_port

EMAIL = "demo@tap2.example"
PAST_SECONDS = 600
PREVIEW_MS = 120_000
MOST_FOR_A_QUESTION, MOST_FOR_RULES = 2, 20
LOCALES = {"en-GB": "200", "ja-JP": "200", "ar-EG": "\N{ARABIC-INDIC DIGIT TWO}" + "\N{ARABIC-INDIC DIGIT ZERO}" * 2}
"""How a merchant of each language types two hundred; above 500, the demo hides Klarna already, and the page says so."""

Figure = tuple[str, str, str]


class User:
    """Clicks and chooses on a page, and counts how often."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def press(self, control: Locator) -> None:
        control.click()
        self.clicks += 1

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label).select_option(label=option)
        self.clicks += 1

    def write(self, label: str, text: str, *, end: str = "") -> None:
        field = self.page.get_by_label(label).last
        field.fill(text)
        if end:
            field.press(end)


class Question(NamedTuple):
    """A question, the way to its answer from the overview, and what the answer looks like."""

    text: str
    perform: Callable[[User], None]
    answer: str


def compare(user: User) -> None:
    """Open the comparison of candidates from the overview."""
    user.press(user.page.get_by_role("link", name="Compare candidates"))


def open_klarna(user: User) -> None:
    """Open the page of Klarna from the overview."""
    user.press(user.page.get_by_role("region", name="Purchases by candidate").get_by_role("link", name="Klarna"))


def pause_klarna(user: User) -> None:
    """Ask what pausing Klarna would do."""
    open_klarna(user)
    user.press(user.page.get_by_role("link", name="… it were paused?"))


def open_learning(user: User) -> None:
    """Open what learning brought from the overview."""
    user.press(user.page.get_by_role("link", name="What learning brought"))


INTERVAL = r"\([-−\d.]+ to [-−\d.]+\)"
QUESTIONS = (
    Question("Is it better?", compare, r"\w[\w ]* (beats|leads|and [\w ]+ are too close to call)[^\n]*"),
    Question("Since when?", compare, r"\w[\w ]* beats[^\n]*, (in the last \d+ \w+|since \w+ \d+, \d{4})"),
    Question("For whom?", compare, r"In [A-Z][\w ]+, [\w ]+ (beats|and [\w ]+ are too close)[^\n]*"),
    Question("How sure?", compare, rf"(Sure|Not sure)\s+[^\n]*{INTERVAL}"),
    Question("By how much?", compare, rf"by [\d.]+ points {INTERVAL}"),
    Question("What does learning cost?", open_learning, r"Trying other candidates costs (about|at most) [^\n]*"),
    Question("What did it bring?", open_learning, r"[^\n]*(learning brings|learning brought|Learning br)[^\n]*"),
    Question(
        "What if I paused Klarna?",
        pause_klarna,
        r"(Costs at most|Would probably|No clear effect|Would change nothing)[^\n]*",
    ),
    Question("Which rules touch Klarna?", open_klarna, r"\d+ rules? that touch(es)? it"),
)


def figures() -> Iterator[Figure]:
    """Yield (what, goal, measured)."""
    path = chromium_path()
    if path is None:
        raise SystemExit("this check needs Chromium")
    with demo() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield from answered(browser, server)
        for locale, amount in LOCALES.items():
            yield from written(browser, server, locale, amount)
        browser.close()


@contextmanager
def demo() -> Iterator[Server]:
    """Run a server with the demo; it is ready once its past is there."""
    settings = {"TAP2_DEMO": "1", "TAP2_DEMO_RATE": "1"}
    with tempfile.TemporaryDirectory(prefix="tap2-clicks-") as name:
        arguments = [*TAP2, "serve"]
        with Server(arguments, Path(name), free_port(), settings, starts_within=PAST_SECONDS) as server:
            yield server


@contextmanager
def logged_in(browser: Browser, server: Server, locale: str) -> Iterator[Page]:
    """Open the overview in a browser of a language."""
    url = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(base_url=url, locale=locale, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto("/admin/login")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill((server.folder / "demo-login").read_text().strip())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    yield page
    context.close()


def answered(browser: Browser, server: Server) -> Iterator[Figure]:
    """Yield for each question the clicks from the overview and the words that answer it."""
    with logged_in(browser, server, "en-GB") as page:
        for question in QUESTIONS:
            page.goto("/admin/live/")
            user = User(page)
            question.perform(user)
            words = re.compile(question.answer)
            try:
                expect(page.locator("main")).to_contain_text(words, timeout=PREVIEW_MS, use_inner_text=True)
                match = words.search(page.locator("main").inner_text())
                text = " ".join(match[0].split()) if match else "not answered"
            except AssertionError:
                text = "not answered"
            yield f"{question.text}", f"at most {MOST_FOR_A_QUESTION} clicks", f"{user.clicks}: “{text}”"


def written(browser: Browser, server: Server, locale: str, amount: str) -> Iterator[Figure]:
    """Yield the clicks from the overview to two saved rules, and their sentences."""
    with logged_in(browser, server, locale) as page:
        user = User(page)
        sentences = [_hide_klarna(user, amount), _ideal_first(user)]
        page.goto("/admin/live/placements/payment_methods/changes")
        page.get_by_role("button", name="Discard all", exact=True).click()
        expect(page.get_by_text("All changes discarded.")).to_be_visible()
        yield (
            f"two rules of a merchant, {locale}, typed {amount}: clicks",
            f"at most {MOST_FOR_RULES}",
            f"{user.clicks}: “{'”, “'.join(sentences)}”",
        )


def _from_template(user: User, template: str) -> None:
    page = user.page
    user.press(page.get_by_role("link", name="Rules", exact=True).first)
    user.press(page.get_by_role("link", name="New rule"))
    user.press(page.get_by_role("link", name=template))


def _add_condition(user: User, number: int, field: str) -> None:
    user.press(user.page.get_by_role("button", name="Condition", exact=True))
    user.choose(f"What condition {number} is about", field)


def _hide_klarna(user: User, amount: str) -> str:
    """Hide Klarna above 200 in Germany on mobile, except for returning customers; return the sentence."""
    page = user.page
    _from_template(user, "No pay-later for large carts")
    user.write("Cart total, value", amount)
    _add_condition(user, 2, "Country")
    user.write("Add to Country, value", "Germany", end="Enter")
    _add_condition(user, 3, "Device")
    user.press(page.get_by_role("group", name="Device, value").get_by_label("mobile"))
    _add_condition(user, 4, "Returning customer")
    user.choose("How condition 4 compares", "is no")
    return _save(user, "Returning customer is no")


def _ideal_first(user: User) -> str:
    """Put iDEAL first in the Netherlands at weekends; return the sentence."""
    _from_template(user, "iDEAL first in the Netherlands")
    _add_condition(user, 2, "Time of the decision")
    user.choose("How condition 2 compares", "is on")
    return _save(user, "Saturday or Sunday")  # These days are chosen already.


def _save(user: User, last_part: str) -> str:
    page = user.page
    expect(page.locator("#rule-said")).to_contain_text(last_part)
    expect(page.locator("#rule-found")).to_contain_text("No problems found")
    sentence = page.locator("#rule-said").inner_text().removeprefix("In words")
    user.press(page.get_by_role("button", name="Create"))
    expect(page.get_by_role("status").first).to_contain_text("It takes effect when the changes are published.")
    return " ".join(sentence.split())
