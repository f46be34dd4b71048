"""Prometheus metrics. No label grows with customers or merchants."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DECISIONS = Counter("tap2_decisions", "Decisions answered")
FALLBACKS = Counter("tap2_fallbacks", "Decisions answered with the fallback order")
OUTCOMES = Counter("tap2_outcomes", "Outcomes reported, by what became of them", ["status"])
OUTAGES = Gauge("tap2_outages", "Candidates that seem to be down, shown to probes only")
EMERGENCIES = Gauge("tap2_emergencies_unseen", "Emergencies that no second person has seen yet")
WAITING = Gauge("tap2_waiting", "Pieces waiting to be written to the database")
FAULTY_FACTS = Counter("tap2_faulty_facts", "Decisions with facts that were not understood, by kind", ["kind"])
LOGINS = Counter("tap2_logins", "Log-ins, by their result: ok, refused or limited", ["result"])
PEOPLE = Counter("tap2_people_changes", "Changes of people and of how they log in, by kind", ["change"])
