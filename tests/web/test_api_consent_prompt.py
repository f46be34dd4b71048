"""The consent prompt by the API: its words in three languages, and who may read them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Side

PATH = "/v1/personalize/consents"
CUSTOMER = {"customer_id": "anna"}


def prompt_of(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = client.post(f"{PATH}/prompt", json={**CUSTOMER, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("tag", "language", "direction", "reject"),
    [
        ("en", "en", "ltr", "Refuse all"),
        ("de-AT", "de", "ltr", "Alle ablehnen"),
        ("AR", "ar", "rtl", "رفض الكل"),
        ("ja", "en", "ltr", "Refuse all"),
        ("", "en", "ltr", "Refuse all"),
    ],
)
def test_the_prompt_speaks_the_customers_language(side: Side, tag: str, language: str, direction: str, reject: str):
    prompt = prompt_of(side.client, language=tag)
    assert (prompt["language"], prompt["direction"]) == (language, direction)
    assert prompt["buttons"]["reject"] == reject
    assert [purpose["purpose"] for purpose in prompt["purposes"]][:2] == ["personalization", "analytics"]
    assert side.merchant.name in prompt["title"]


def test_version_of_the_notice_depends_on_its_text(side: Side):
    before = prompt_of(side.client)
    assert prompt_of(side.client)["notice"] == before["notice"]
    texts = {"en": "We count visits.", "de": "Wir zählen Besuche."}
    policy = {"purposes": {"analytics": {"allowed": False, "texts": texts}}, "prompt": True}
    assert side.client.put(f"{PATH}/policy", json=policy).status_code == 200
    after = prompt_of(side.client)
    assert (before["prompt"], after["prompt"]) == (False, True)
    assert "Statistics: We count visits." in after["notice"]["text"]
    assert after["notice"]["version"] != before["notice"]["version"]
    assert "Wir zählen Besuche." in prompt_of(side.client, language="de")["notice"]["text"]


def test_only_accepted_purposes_are_checked(side: Side):
    assert {purpose["accepted"] for purpose in prompt_of(side.client)["purposes"]} == {False}
    purposes = {"analytics": True, "personalization": False}
    side.client.post(PATH, json={**CUSTOMER, "purposes": purposes, "method": "save"}).raise_for_status()
    ticked = {purpose["purpose"] for purpose in prompt_of(side.client)["purposes"] if purpose["accepted"]}
    assert ticked == {"analytics"}


def test_a_browser_needs_the_customers_token(side: Side):
    made = side.client.post("/v1/keys", json={"kind": "publishable", "name": "Web"}).json()
    token = side.client.post("/v1/personalize/customer-tokens", json=CUSTOMER).json()["customer_token"]
    headers = {"authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=side.client.base_url, headers=headers) as browser:
        assert prompt_of(browser, customer_token=token)["title"]
        for sent in (CUSTOMER, {"customer_id": "ben", "customer_token": token}):
            refused = browser.post(f"{PATH}/prompt", json=sent)
            assert (refused.status_code, refused.json()["field"]) == (403, "customer_token")


@CHANGES_NOTHING
@pytest.mark.parametrize("language", [7, None, "x" * 36, ["de"]])
def test_a_wrong_language_is_named(side: Side, language: Any):
    refused = side.client.post(f"{PATH}/prompt", json={**CUSTOMER, "language": language})
    assert (refused.status_code, refused.json()["field"]) == (400, "language")
