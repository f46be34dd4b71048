"""OpenFeature's web provider and GrowthBook's SDK in a page of another origin: CORS, the ETag, a publishable key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.process import ROOT
from tests.browser.origins import origin
from tests.serving import Side
from tests.web.conftest import server, servers, side  # noqa: F401  fixtures
from tests.web.test_growthbook import blocks
from tests.web.test_openfeature_doc import TEXT

PACKAGES = ROOT / "node_modules" / "@openfeature"
FILES = {
    "@openfeature/web-sdk": "web-sdk/dist/esm/index.js",
    "@openfeature/core": "core/dist/esm/index.js",
    "@openfeature/ofrep-web-provider": "ofrep-web-provider/index.esm.js",
    "@openfeature/ofrep-core": "ofrep-web-provider/node_modules/@openfeature/ofrep-core/index.esm.js",
}
BUNDLE = ROOT / "node_modules" / "@growthbook" / "growthbook" / "dist" / "bundles" / "esm.min.js"
FLAGS = "**/ofrep/v1/evaluate/flags"


@pytest.fixture
def page(chromium: Browser, side: Side) -> Iterator[Page]:  # noqa: F811
    """A browser at the page of docs/openfeature.md, which is not loaded yet."""
    if not PACKAGES.is_dir():
        pytest.skip("the packages of OpenFeature are missing: npm ci")
    [example] = re.findall(r"```html\n(.*?)```", TEXT, re.DOTALL)
    imports = json.dumps({"imports": {name: f"/{path}" for name, path in FILES.items()}})
    names = f"const SERVER = '{side.server.url}', KEY = '{side.new_key('publishable')}';"
    html = f"<script type=importmap>{imports}</script><script>{names}</script>{example}"
    with origin({"/": html} | {f"/{path}": (PACKAGES / path).read_text() for path in FILES.values()}) as base_url:
        context = chromium.new_context(base_url=base_url)
        yield context.new_page()
        context.close()


def test_page_keeps_its_order_after_a_reload(page: Page, side: Side):  # noqa: F811
    with page.expect_response(FLAGS) as first:
        page.goto("/")
    page.wait_for_function("window.details")
    details = page.evaluate("details")
    assert first.value.status == 200
    assert "errorCode" not in details
    decision = details["flagMetadata"]["decision_id"]
    logged = side.client.get(f"/v1/decisions/{decision}").json()
    assert [ranked["id"] for ranked in logged["ranking"]] == details["value"]["ranking"]
    with page.expect_response(FLAGS) as again:
        page.reload()
    page.wait_for_function("window.details")
    assert again.value.status == 304
    assert page.evaluate("details.flagMetadata.decision_id") == decision


def test_page_receives_a_new_plan_without_polling(page: Page, side: Side):  # noqa: F811
    with page.expect_response("**/ofrep/v1/events/**") as stream:
        page.goto("/")
    assert stream.value.status == 200
    page.wait_for_function("window.details")
    with page.expect_response(FLAGS) as again:
        label = {"id": "twint", "label": "TWINT"}
        assert side.client.post("/v1/placements/payment_methods/candidates", json=label).status_code == 201
    assert again.value.status == 200
    assert "twint" in again.value.json()["flags"][0]["value"]["ranking"]


def test_growthbooks_example_decides_in_a_page(chromium: Browser, side: Side):  # noqa: F811
    if not BUNDLE.is_file():
        pytest.skip("the package of GrowthBook is missing: npm ci")
    imports = json.dumps({"imports": {"@growthbook/growthbook": "/growthbook.js"}})
    names = f"const SERVER = '{side.server.url}', KEY = '{side.new_key('publishable')}';"
    script = f"{blocks('javascript')[0]} window.decided = {{ order, decision }};"
    html = f"<script type=importmap>{imports}</script><script>{names}</script><script type=module>{script}</script>"
    with origin({"/": html, "/growthbook.js": BUNDLE.read_text()}) as base_url:
        context = chromium.new_context(base_url=base_url)
        page = context.new_page()
        page.goto("/")
        page.wait_for_function("window.decided")
        decided = page.evaluate("decided")
        context.close()
    logged = side.client.get(f"/v1/decisions/{decided['decision']['decision_id']}").json()
    assert [ranked["id"] for ranked in logged["ranking"]] == decided["order"]["ranking"]
