"""A customer answers the prompt, opens the center, changes preferences, exports, opts out and erases."""

from __future__ import annotations

import itertools
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PageErrors, Site, save_screenshot
from tests.browser.test_access import _fits, _is_accessible
from web.openapi import examples

pytestmark = pytest.mark.browser
CUSTOMER = "anna@example.com"
PATIENCE = 60
PLACEMENT = f"/v1/placements/{examples.PLACEMENT['key']}"
_numbers = itertools.count(1)


@pytest.fixture
def shop(site: Site) -> Iterator[httpx.Client]:
    """The server of a shop with a consent prompt."""
    slug = f"center-{next(_numbers)}"
    site.add_merchant(slug)
    key = site.output("keys", "create", "--merchant", slug, "--kind", "secret", "--json")["key"]
    headers = {"authorization": f"Bearer {key}"}
    methods = [{"id": "card", "label": "Card", "type": "card"}, {"id": "paypal", "label": "PayPal", "type": "paypal"}]
    with httpx.Client(base_url=site.url, headers=headers, timeout=PATIENCE) as client:
        # The server takes over within a second or two what a command issued.
        until = time.monotonic() + PATIENCE
        while client.get("/v1/placements").status_code == 401 and time.monotonic() < until:
            time.sleep(0.1)
        for path, body in (("/v1/placements", examples.PLACEMENT), (f"{PLACEMENT}/candidates", methods)):
            assert client.post(path, json=body).status_code == 201
        policy = {"purposes": {"analytics": {"allowed": False}}, "prompt": True}
        assert client.put("/v1/personalize/consents/policy", json=policy).status_code == 200
        yield client


def decide(shop: httpx.Client) -> dict[str, Any]:
    answer = shop.post("/v1/personalize/decisions", json={**examples.DECISION, "customer_id": CUSTOMER})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def link(shop: httpx.Client, **more: Any) -> str:
    answer = shop.post("/v1/personalize/customer-links", json={"customer_id": CUSTOMER, **more})
    address: str = answer.json()["url"]
    return address


def checks(page: Page, name: str) -> None:
    """The page is accessible, fits, and people can look at it, in both themes, on a phone and at 400% zoom."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in (1280, 390, 320):
            page.set_viewport_size({"width": width, "height": 860})
            _fits(page)
            if width != 320:
                save_screenshot(page, f"center-{name}-{theme}-{width}")
        _is_accessible(page)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 860})


def test_customer_walks_through_the_center(shop: httpx.Client, page: Page) -> None:
    assert decide(shop)["prompt_consent"] is True
    purposes = {"personalization": True, "analytics": False}
    consents = {"customer_id": CUSTOMER, "method": "save", "purposes": purposes, "served_at": "/checkout"}
    assert shop.post("/v1/personalize/consents", json=consents).status_code == 201
    assert "prompt_consent" not in decide(shop)

    page.goto(link(shop))
    expect(page.get_by_role("heading", name="Your data at Center", level=1)).to_be_visible()
    assert "#" not in page.url
    assert page.evaluate("document.cookie") == ""
    expect(page.get_by_role("switch", name="Personal order")).to_be_checked()
    expect(page.get_by_role("switch", name="Statistics")).not_to_be_checked()
    checks(page, "english")

    page.get_by_label("Payment method that comes first").select_option("PayPal")
    page.get_by_label("Card", exact=True).select_option("Favorite")
    page.get_by_role("button", name="Save").nth(1).click()
    expect(page.get_by_role("status")).to_contain_text("Your next checkout follows")
    first, second = decide(shop)["ranking"]
    assert (first["id"], first["reasons"], second["id"]) == ("paypal", ["your default method"], "card")

    page.get_by_label("PayPal", exact=True).select_option("Never show")
    page.get_by_role("button", name="Save").nth(1).click()
    expect(page.get_by_role("alert")).to_contain_text("cannot come first and be hidden")
    checks(page, "problem")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download your data").click()
    names = zipfile.ZipFile(download.value.path()).read("preferences.json")
    assert json.loads(names)[0]["default_method"] == "paypal"

    page.get_by_role("button", name="Opt out of everything").click()
    expect(page.get_by_role("status")).to_contain_text("You have opted out")
    assert decide(shop)["personalized"] is False

    # By keyboard alone, as everything else: the box, then the button after it.
    page.get_by_label("I understand that this cannot be undone").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Everything is erased")).to_be_visible()
    checks(page, "erased")
    page.goto("/customer-center")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    checks(page, "closed")
    shown = shop.get("/v1/personalize/requests").json()["items"]
    assert [(each["kind"], each["state"]) for each in shown] == [
        ("export", "done"),
        ("restrict", "done"),
        ("erase", "done"),
    ]


def test_customer_walks_through_the_center_in_arabic(shop: httpx.Client, page: Page) -> None:
    decide(shop)
    page.goto(link(shop, language="ar"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("بياناتك لدى")
    assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    page.get_by_role("switch", name="ترتيب شخصي لطرق الدفع والعروض").check()
    page.get_by_role("button", name="حفظ").first.click()
    expect(page.get_by_role("status")).to_contain_text("اختيارك سارٍ من الآن")
    checks(page, "arabic")
    page.get_by_label("طريقة الدفع التي تظهر أولًا").select_option("Card")
    page.get_by_role("button", name="حفظ").nth(1).click()
    expect(page.get_by_role("status")).to_contain_text("ستتبع تفضيلاتك")
    assert decide(shop)["ranking"][0]["reasons"] == ["your default method"]
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ihre Daten bei")
    checks(page, "german")
    page.get_by_role("link", name="العربية").click()
    with page.expect_download():
        page.get_by_role("button", name="تنزيل بياناتك").click()
    page.get_by_role("button", name="الانسحاب من كل شيء").click()
    expect(page.get_by_role("status")).to_contain_text("لقد انسحبت")
    page.get_by_label("أفهم أنه لا يمكن التراجع عن ذلك").check()
    page.get_by_role("button", name="احذف بياناتي").click()
    expect(page.get_by_role("heading", name="تم حذف كل شيء")).to_be_visible()
    checks(page, "arabic-erased")


def test_link_without_its_secret_has_a_message(chromium: Browser, site: Site, page_errors: PageErrors) -> None:
    context = chromium.new_context(base_url=site.url, locale="ar")
    page = context.new_page()
    page_errors.watch(page)
    page.goto("/customer-center/open")
    expect(page.get_by_role("heading", name="لم يعد هذا الرابط صالحًا")).to_be_visible()
    _is_accessible(page)
    context.close()
