"""Prometheus metrics. No label grows with customers or merchants."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DECISIONS = Counter("tap2_decisions", "Decisions answered")
FALLBACKS = Counter("tap2_fallbacks", "Decisions answered with the fallback order")
OUTCOMES = Counter("tap2_outcomes", "Outcomes reported, by status", ["status"])
OUTAGES = Gauge("tap2_outages", "Candidates that seem to be down and get only probes")
EMERGENCIES = Gauge("tap2_emergencies_unseen", "Emergencies that no second person has seen yet")
WAITING = Gauge("tap2_waiting", "Records that wait to be written to the database")
FAULTY_FACTS = Counter("tap2_faulty_facts", "Decisions with invalid facts, by kind", ["kind"])
BUDGETS = Gauge("tap2_budgets_used", "Budgets of which at least this percentage is spent or held", ["percent"])
PREDICTIONS = Gauge("tap2_predictions_off", "Models whose predictions differ from results by more than noise")
LOGINS = Counter("tap2_logins", "Log-ins, by their result: ok, refused or limited", ["result"])
PEOPLE = Counter("tap2_people_changes", "Changes of people and their log-in methods, by kind", ["change"])
