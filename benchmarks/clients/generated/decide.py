"""Decide with the package `generated` that openapi-python-client made; the arguments are the server and a key."""

from __future__ import annotations

import sys

from generated import AuthenticatedClient
from generated.api.decide import post_decisions
from generated.models import DecisionRequest

server, key = sys.argv[1:]
request = DecisionRequest.from_dict(
    {
        "placement": "payment_methods",
        "customer_id": "c_123",
        "context": {"geo": {"country": "DE"}, "cart": {"total": 12900, "currency": "EUR"}},
    }
)
answer = post_decisions.sync(client=AuthenticatedClient(base_url=server, token=key), body=request)
print(",".join(ranked.id for ranked in answer.ranking))
