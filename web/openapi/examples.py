"""Example bodies of requests, for the documentation; the tests send them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

DECISION: Json = {
    "placement": "payment_methods",
    "customer_id": "c_123",
    "context": {
        "device": {"type": "mobile"},
        "geo": {"country": "DE"},
        "cart": {"total": 12900, "currency": "EUR"},
    },
}
BATCH: Json = {
    **{name: value for name, value in DECISION.items() if name != "placement"},
    "placements": ["payment_methods"],
}
EVALUATION: Json = {"context": {"targetingKey": "c_123", **DECISION["context"]}}
EVALUATIONS: Json = {"context": {**EVALUATION["context"], "flags": "payment_methods"}}
REMOTE_EVALUATION: Json = {"attributes": {"id": "c_123", "flags": "payment_methods", **DECISION["context"]}}
PREFERENCES: Json = {
    "customer_id": "c_123",
    "default_method": "paypal",
    "language": "de",
    "notifications": {"email": True},
}
CONSENT: Json = {
    "customer_id": "c_123",
    "purposes": {"personalization": True, "analytics": False},
    "method": "save",
    "notice": {"version": "2026-11"},
    "served_at": "https://shop.example/checkout",
}
AVAILABILITY: Json = {"unavailable": {"klarna": {"reason": "gateway down"}}}
RETENTION: Json = {"decisions": 180, "webhook_deliveries": 14, "confirm": True}
OFFLINE_DECISION: Json = {
    "decision_id": "dec_019aa3f1c2b4a1b2c3d4e5f607000000",
    "snapshot": "sn_WyJwYXltZW50X21ldGhvZHMiXQ_0123456789abcdef0123456789abcdef",
    "context": DECISION["context"],
    "ranking": ["paypal", "card"],
    "propensity": 0.4312,
}
OFFERS: Json = {
    "customer_id": "c_123",
    "context": {"cart": {"total": 12900, "currency": "EUR"}, "customer": {"locale": "de-DE"}},
}
OFFER_ASKED: Json = {
    "code": "SPRING10",
    "customer_id": "c_123",
    "context": {"cart": {"total": 12900, "currency": "EUR"}},
}
OFFER: Json = {
    "currency": "EUR",
    "benefit": {"type": "percentage", "percent": 10, "maximum": 2000},
    "budgets": ["spring"],
    "texts": {"en": {"title": "10% off", "terms": "Once"}},
}
REDEMPTION: Json = {
    "hold_id": "hold_019aa3f1c2b4a1b2c3d4e5f60718293a4b5c",
    "cart": {"total": 12900, "currency": "EUR"},
    "order_id": "order-4711",
}
BUDGET: Json = {
    "id": "spring",
    "name": "Spring campaign",
    "currency": "EUR",
    "amount": 500000,
    "period": "total",
    "scope": "everybody",
}
OUTCOME: Json = {
    "event_id": "order-4711-converted",
    "decision_id": "dec_019aa3f1c2b4a1b2c3d4e5f60718293a4b5c",
    "type": "converted",
    "candidate_id": "paypal",
    "amount": 12900,
    "currency": "EUR",
    "occurred_at": "2026-11-20T09:30:00Z",
}
PLACEMENT: Json = {
    "key": "payment_methods",
    "name": "Payment methods",
    "shape": {"type": "ranking"},
    "policy": {"type": "thompson", "floor": 0.01, "drawn": 3, "history": True},
    "reward": "converted",
    "buckets": ["device.type"],
}
CANDIDATE: Json = {
    "id": "ideal",
    "label": "iDEAL",
    "type": "ideal",
    "countries": ["NL"],
    "currencies": ["EUR"],
    "max_amount": 500000,
    "fee_fixed": 29,
    "position": 40,
}
RULE: Json = {
    "id": "no-invoice-for-large-carts",
    "name": "No invoice for large carts",
    "priority": 10,
    "when": {">": [{"var": "cart.total"}, 100000]},
    "effects": [{"set": {"name": "show_cvv", "value": True}}],
}
SCENARIO: Json = {
    "id": "large-carts",
    "name": "Large carts are asked for the code",
    "context": {"cart": {"total": 120000, "currency": "EUR"}, "geo": {"country": "DE"}},
    "expect": {"shown": ["card", "paypal"], "hidden": ["ideal"], "values": {"show_cvv": True}},
}
RULE_SET: Json = {"rules": [RULE], "scenarios": [SCENARIO]}
EXPERIMENT: Json = {
    "id": "paypal-first",
    "name": "PayPal first",
    "hypothesis": "Customers on phones look for PayPal.",
    "audience": {"==": [{"var": "device.type"}, "mobile"]},
    "variants": [
        {"id": "control", "name": "As it is"},
        {"id": "paypal", "name": "PayPal first", "order": ["paypal"]},
    ],
    "guardrails": [{"metric": "revenue", "tolerated_percent": 2}],
}
CONVERSION: Json = {"event_id": "order-4711", "unit": "c_123", "amount": 12900, "currency": "EUR"}
CONVERSION_REFUND: Json = {"event_id": "refund-812", "purchase_event_id": "order-4711", "amount": 4000}
VARIANTS: Json = {"customer_id": "c_123", "context": {"device": {"type": "mobile"}, "geo": {"country": "DE"}}}
ORDER: Json = {"ids": [RULE["id"]]}
REVIEW: Json = {"why": "Large carts were paid back too often"}
RELEASE: Json = {"why": "Black Friday", "publish_at": "2030-11-27T00:00:00+01:00"}
FIELD: Json = {
    "name": "customer.tier",
    "type": "string",
    "label": "Loyalty tier",
    "allowed": ["bronze", "silver", "gold"],
    "examples": ["gold"],
}
LIST: Json = {"name": "blocked-regions", "values": ["DE-BY", "AT-9"]}
KEY: Json = {"kind": "publishable", "name": "Web checkout"}
SEGMENT_BATCH: Json = {
    "batch": [
        {
            "type": "track",
            "event": "Order Completed",
            "messageId": "ajs-next-1700000000000-1",
            "userId": "c_123",
            "properties": {
                "decision_id": "dec_019aa3f1c2b4a1b2c3d4e5f60718293a4b5c",
                "payment_method": "paypal",
                "total": 129.0,
                "currency": "EUR",
            },
        }
    ]
}
REPORT_SCHEDULE: Json = {
    "name": "Weekly figures",
    "placement": "payment_methods",
    "frequency": "weekly",
    "weekday": 1,
    "hour": 8,
    "recipients": ["ada@shop.example.com"],
}
REPORT_TEST: Json = {"recipient": "ada@shop.example.com"}
ALERT_RECIPIENT: Json = {"recipient": "ada@shop.example.com", "types": ["outage.noticed", "budget.alert"]}
ROTATION: Json = {"overlap_hours": 24}
ROLL_BACK: Json = {"version": 1}
PAUSE: Json = {"why": "The provider answers with errors"}
TRIAL: Json = {"context": DECISION["context"]}
PREVIEW: Json = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-08T00:00:00Z", "limit": 50000}

WEBHOOK = {
    "url": "https://shop.example.com/webhooks/tap2",
    "types": ["version.published", "budget.alert", "offer.redeemed"],
    "description": "Shop backend",
}
