"""A shop's server with one checkout page: `python examples/checkout.py`, beside a server that `make run` started.

TAP2_URL is the server (default http://127.0.0.1:8000), TAP2_KEY a secret key, PORT the shop's port. Without a server
the page shows the shop's own order.
"""

from __future__ import annotations

import os
import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Dict
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # as long as the package is not installed

from tap2_personalize import Client

TAP2 = Client(
    os.environ.get("TAP2_URL", "http://127.0.0.1:8000"),
    os.environ.get("TAP2_KEY", "sk_test_missing"),
    fallback={"payment_methods": [{"id": "card", "label": "Card"}, {"id": "paypal", "label": "PayPal"}]},
)
CART = {"total": 4900, "currency": "EUR"}


def checkout_page() -> str:
    """Return the page with a button for each payment method."""
    context = {"cart": CART, "geo": {"country": "DE"}, "device": {"type": "desktop"}}
    answer = TAP2.get_methods("c_123", None, context)
    decision = answer["decision_id"]
    TAP2.track_feedback({"decision_id": decision, "type": "shown"})
    buttons = "".join(
        f'<button name="method" value="{escape(method["id"])}">{escape(method["label"])}</button>'
        for method in answer["methods"]
    )
    return f"""<!doctype html><title>Checkout</title><h1>Pay 49.00 EUR</h1>
        <form action="/pay"><input type="hidden" name="decision" value="{decision or ""}">{buttons}</form>
        <p>{"The shop's own order." if answer["fallback"] else f"Decision {decision}"}</p>"""


def paid_page(query: Dict[str, str]) -> str:
    """Return the page after the payment, and report the purchase."""
    decision = query.get("decision") or None
    # A real shop gives its order's id, so that reloading this page counts nothing twice.
    receipt = TAP2.track_feedback(
        {
            "event_id": f"paid-{decision}",
            "decision_id": decision,
            "type": "converted",
            "candidate_id": query.get("method"),
            "amount": 4900,
            "currency": "EUR",
        }
    ).result(timeout=10)
    return f"<!doctype html><title>Paid</title><h1>Thank you</h1><p>Feedback: {receipt['status']}</p>"


class Shop(BaseHTTPRequestHandler):
    """Serves both pages."""

    def do_GET(self) -> None:
        """Answer `/pay` with the second page, everything else with the first."""
        parts = urlsplit(self.path)
        page = paid_page(dict(parse_qsl(parts.query))) if parts.path == "/pay" else checkout_page()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Shop)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
