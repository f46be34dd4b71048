"""The schemas of an OpenAPI document as types of TypeScript, and as fields with their kinds."""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]
SAME_NAMES = (
    "BatchRequest", "BrowserCandidate", "BrowserDecision", "BrowserMethods", "CartNow", "CustomerTokenAnswer",
    "DecisionRequest", "Discount", "Excluded", "ExcludedCandidate", "FieldProblem", "GivenVariant", "GivenVariants",
    "Methods", "OfferAsked", "Offers", "OffersRequest", "PlacementProblem", "Ranked", "Receipt", "Redemption",
    "RedemptionRequest", "RuleTrace", "ShownOffer", "Skipped", "StoredOutcome", "Trace", "Validation",
    "VariantsRequest",
)  # fmt: skip
TYPES = {**{name: name for name in SAME_NAMES}, "Decision": "ExplainedDecision", "FeedbackEvent": "Outcome"}
"""The types of every client by the schema that each describes."""
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(document: Schema) -> str:
    """Return `interface Schemas` with a type for each schema of the document."""
    members = [f"{json.dumps(name)}: {_type(schema)};" for name, schema in document["components"]["schemas"].items()]
    return "interface Schemas {\n" + "\n".join(members) + "\n}"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return f"Schemas[{json.dumps(schema['$ref'].rpartition('/')[2])}]"
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return f"({' | '.join(map(_type, parts))})"
    if "enum" in schema:
        return f"({' | '.join(map(json.dumps, schema['enum']))})"
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type")
    if kind == "array":
        return f"{_type(schema.get('items', {}))}[]"
    if kind == "object":
        return _object(schema)
    return PLAIN.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _object(schema: Schema) -> str:
    if "properties" not in schema:
        values = schema.get("additionalProperties", {})
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    required = schema.get("required", ())
    fields = [
        f"{json.dumps(name)}{'' if name in required else '?'}: {_type(field)};"
        for name, field in schema["properties"].items()
    ]
    return "{ " + " ".join(fields) + " }"
