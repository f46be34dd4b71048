"""Decide by a snapshot of a placement, bit for bit as the server does for a guest."""

from __future__ import annotations

import math
import re
from base64 import b64decode
from hashlib import blake2b
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

LATER_DRAWS = 256
MOST_KEPT = 256
WORD = 2**64 - 1
LARGEST_SAFE = 2**53 - 1
CODES = {"country": re.compile("[A-Z]{2}"), "currency": re.compile("[A-Z]{3}")}
TEXT = re.compile(r"[\x20-\x7e]{1,64}")


class Arrangement(NamedTuple):
    """Indices in order, the chance of each slot, and the chances (K) of the first slot."""

    order: List[int]
    chances: List[float]
    first: List[float]


class Limits(NamedTuple):
    """What the answers to requests with the same bucket and candidates share: K candidates, whose `rows` are sorted.

    `draws` (K, M) are ranks, empty where nothing is drawn by them; `weights` are then the shares of a split.
    """

    rows: List[int]
    hashes: List[int]
    length: int
    drawn: int
    pins: Dict[int, int]
    scores: List[float]
    queue: List[int]
    draws: List[bytes]
    weights: List[float]
    floor: float
    shares: List[float]
    away: List[bool]
    chances: Dict[Tuple[bool, ...], List[float]]


class SnapshotPlan:
    """What decides a placement, as the server wrote it."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._ids: List[str] = [candidate["id"] for candidate in plan["candidates"]]
        self._draws: Dict[str, bytes] = {}
        self._limits: Dict[Tuple[str, ...], Limits] = {}

    @property
    def is_split(self) -> bool:
        return bool(self._plan["policy"] == "split")

    def decide(self, context: Mapping[str, Any], id: str) -> Optional[Dict[str, Any]]:
        """Return the answer with an id to a request of a guest; None where a fact is not written as it is declared."""
        plan = self._plan
        facts = read_facts(plan["facts"], context)
        if facts is None:
            return None
        limits = self._limits_of(facts)
        answer = arrange(limits, _hash(f"{plan['placement']}:{id}" if self.is_split else id))
        propensity = 1.0
        for chance in answer.chances:
            propensity *= chance
        return {
            "ranking": [
                {
                    "id": self._ids[limits.rows[k]],
                    "rank": slot + 1,
                    "label": plan["candidates"][limits.rows[k]]["label"],
                    "score": limits.scores[k],
                    "confidence": answer.first[k],
                    "chance": answer.chances[slot],
                }
                for slot, k in enumerate(answer.order)
            ],
            "excluded": [{"id": name} for row, name in enumerate(self._ids) if row not in limits.rows],
            "values": {each["set"]["name"]: each["set"]["value"] for each in plan["effects"] if "set" in each},
            "propensity": propensity,
        }

    def _limits_of(self, facts: Mapping[str, Any]) -> Limits:
        plan = self._plan
        bucket = "|".join(_bucket_value(facts.get(name)) for name in plan["buckets"])
        excluded = [each["id"] for each in plan["candidates"] if _is_excluded(each, facts, plan["currency"])]
        key = (bucket, *excluded)
        limits = self._limits.get(key)
        if limits is None:
            if len(self._limits) >= MOST_KEPT:
                self._limits.clear()
            limits = self._limits[key] = self._make_limits(bucket, excluded)
        return limits

    def _make_limits(self, bucket: str, excluded: Sequence[str]) -> Limits:
        plan, policy = self._plan, self._plan["policy"]
        hidden = {*excluded, *(name for effect in plan["effects"] for name in effect.get("exclude", ()))}
        rows = [row for row, name in enumerate(self._ids) if name not in hidden]
        most = len(rows) if plan["slots"] is None else plan["slots"]
        length = min(most, len(rows))
        table_name = self._table_name(bucket, rows)
        table = plan["tables"][table_name]
        weights = [plan["weights"][row] for row in rows] if plan["weights"] else []
        floor, shares, away = _spread(table, rows) if policy == "thompson" else (0.0, [], [])
        if policy == "fixed":
            expected = [1 / (1 + k) * (weights[k] if weights else 1) for k in range(len(rows))]
        else:
            expected = [-math.inf if away and away[k] else table["expected"][row] for k, row in enumerate(rows)]
        return Limits(
            rows,
            [_hash(self._ids[row]) for row in rows],
            length,
            length if policy == "split" else min(plan["drawn"], length),
            _pins(plan["effects"], [self._ids[row] for row in rows], plan["slots"]),
            [table["scores"][row] for row in rows],
            sorted(range(len(rows)), key=lambda k: -expected[k]),
            self._draws_of(table_name, rows) if policy == "thompson" else [],
            weights,
            floor,
            shares,
            away,
            {},
        )

    def _table_name(self, bucket: str, rows: Sequence[int]) -> str:
        plan, name = self._plan, bucket
        if plan["tables_by"] == "stratum":
            eligible = "|".join(sorted(self._ids[row] for row in rows))
            parts = "\n".join((bucket, "False", eligible, "|".join(sorted(plan["order_rules"]))))
            name = blake2b(parts.encode(), digest_size=6).hexdigest()
        return name if name in plan["tables"] else ""

    def _draws_of(self, name: str, rows: Sequence[int]) -> List[bytes]:
        if name not in self._draws:
            self._draws[name] = b64decode(self._plan["tables"][name]["draws"])
        draws = self._draws[name]
        columns = len(draws) // len(self._ids)
        return [draws[row * columns : (row + 1) * columns] for row in rows]


def arrange(limits: Limits, seed: int) -> Arrangement:
    """Fill the slots: pins, then what the seed draws, then the rest in its order."""
    count = len(limits.rows)
    taken = [k in limits.pins.values() for k in range(count)]
    answer = Arrangement([], [], [])
    for slot in range(limits.length):
        chosen = limits.pins.get(slot)
        if chosen is None and slot >= limits.drawn:
            chosen = next(k for k in limits.queue if not taken[k])
        if chosen is None:
            key = tuple(taken)
            row = limits.chances.get(key)
            if row is None:
                row = limits.chances[key] = _chances(limits, taken)
            quotients = [
                chance and chance / math.log(_drawn_uniform(seed, limits.hashes[k], slot))
                for k, chance in enumerate(row)
            ]
            chosen = quotients.index(min(quotients))
        else:
            row = [float(k == chosen) for k in range(count)]
        if slot == 0:
            answer.first.extend(row)
        answer.order.append(chosen)
        answer.chances.append(row[chosen])
        taken[chosen] = True
    return answer


def _chances(limits: Limits, taken: Sequence[bool]) -> List[float]:
    """Return the chances (K) of a drawn slot."""
    remaining = taken.count(False)
    if not limits.draws:
        weights = limits.weights or [1.0] * len(taken)
        total = pairwise_sum([0.0 if taken[k] else weight for k, weight in enumerate(weights)])
        return [
            0.0 if taken[k] else (weight / total if total > 0 else 1 / remaining) for k, weight in enumerate(weights)
        ]
    columns = len(limits.draws[0])
    used = min(columns, LATER_DRAWS) if remaining < len(taken) else columns
    whole = 0.0
    for k, share in enumerate(limits.shares):
        whole += 0.0 if taken[k] else share
    wins = _wins(limits, taken, used)
    return [
        0.0
        if taken[k]
        else won * ((1 - limits.floor) / used)
        + (limits.floor * (limits.shares[k] / whole) if whole > 0 else limits.floor / remaining)
        for k, won in enumerate(wins)
    ]


def _wins(limits: Limits, taken: Sequence[bool], used: int) -> List[float]:
    """Count in how many of the first `used` draws each candidate is the best; equals share a draw."""
    playing = [k for k in range(len(taken)) if not taken[k] and not limits.away[k]]
    wins, parts = [0.0] * len(taken), {}
    for m in range(used):
        best = max((limits.draws[k][m] for k in playing), default=-1)
        winners = [k for k in playing if limits.draws[k][m] == best]
        if not winners:  # all who are left are away
            winners = [k for k in range(len(taken)) if not taken[k]]
        wins[winners[0]] += 1
        if len(winners) > 1:
            parts[m] = winners
    if not parts:
        return wins
    shared = [[0.0] * used for _ in taken]
    for m in range(used):
        best = max((limits.draws[k][m] for k in playing), default=-1)
        winners = parts.get(m) or [k for k in playing if limits.draws[k][m] == best]
        for k in winners:
            shared[k][m] = 1 / len(winners)
    return [pairwise_sum(numbers) for numbers in shared]


def pairwise_sum(numbers: Sequence[float]) -> float:
    """Add up in numpy's order."""
    count = len(numbers)
    if count > 128:
        middle = count // 16 * 8
        return pairwise_sum(numbers[:middle]) + pairwise_sum(numbers[middle:])
    lanes, whole = [0.0] * 8, count - count % 8
    for index in range(whole):
        lanes[index % 8] += numbers[index]
    a, b, c, d, e, f, g, h = lanes
    total = a + b + (c + d) + (e + f + (g + h))
    for number in numbers[whole:]:
        total += number
    return total


def _spread(table: Mapping[str, Any], rows: Sequence[int]) -> Tuple[float, List[float], List[bool]]:
    """Return how a table's floor is spread over some of its candidates: floor, shares and who is away."""
    shares = [table["shares"][row] for row in rows] if table["shares"] else []
    away = [bool(table["away"]) and table["away"][row] for row in rows]
    gone = away.count(True)
    if not gone or gone == len(rows):
        return table["floor"], shares, [False] * len(rows)
    whole = pairwise_sum(shares)
    divided = [
        table["probes"] / gone
        if is_away
        else (table["floor"] * shares[k] / whole if shares else table["floor"] / len(rows))
        for k, is_away in enumerate(away)
    ]
    return min(1.0, pairwise_sum(divided)), divided, away


def _pins(effects: Sequence[Mapping[str, Any]], eligible: Sequence[str], slots: Optional[int]) -> Dict[int, int]:
    """Return the candidates that rules pin, by slot from 0; those beyond the last candidate move up."""
    asked: Dict[int, str] = {}
    for effect in effects:
        pin = effect.get("pin")
        if pin is None or (slots is not None and pin["slot"] > slots):
            continue
        if pin["slot"] - 1 not in asked and pin["candidate"] in eligible and pin["candidate"] not in asked.values():
            asked[pin["slot"] - 1] = pin["candidate"]
    pins: Dict[int, int] = {}
    last = len(eligible)
    for slot in sorted(asked, reverse=True):
        last = min(slot, last - 1)
        pins[last] = eligible.index(asked[slot])
    return pins


def read_facts(declared: Mapping[str, Any], context: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """Return the declared facts by name; None where one is written in a way that the server may change."""
    facts = {}
    for name, field in declared.items():
        value: Any = context
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            continue
        if not _is_as_declared(value, field["type"], field["allowed"]):
            return None
        facts[name] = value
    return facts


def _is_as_declared(value: object, kind: str, allowed: Sequence[str]) -> bool:
    if allowed:
        return value in allowed
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("money", "integer"):
        return type(value) is int and abs(value) <= LARGEST_SAFE
    return isinstance(value, str) and CODES.get(kind, TEXT).fullmatch(value) is not None


def _bucket_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else "-"


def _is_excluded(candidate: Mapping[str, Any], facts: Mapping[str, Any], own: Optional[str]) -> bool:
    limits = (("countries", "geo.country"), ("currencies", "cart.currency"), ("devices", "device.type"))
    for limit, name in limits:
        allowed, value = candidate.get(limit), facts.get(name)
        if value and allowed and value not in allowed:
            return True
    total, currency = facts.get("cart.total"), facts.get("cart.currency")
    if total is None:
        return False
    least = _limit_in(candidate.get("min_amount"), currency, own)
    most = _limit_in(candidate.get("max_amount"), currency, own)
    return bool(total < (least or 0) or (most is not None and total > most))


def _limit_in(limit: Any, currency: Optional[str], own: Optional[str]) -> Optional[int]:
    """Return a limit for carts in a currency; a missing currency is the merchant's own."""
    value: Optional[int] = None
    if isinstance(limit, dict):
        value = limit.get(currency or own or "")
    elif own is None or (currency or own) == own:
        value = limit
    return value


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _drawn_uniform(seed: int, candidate: int, slot: int) -> float:
    """Return the uniform number of a seed, a candidate's hash and a slot from 0, by SplitMix64."""
    z = ((candidate + (slot + 1) * 0x9E3779B97F4A7C15) & WORD) ^ seed
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return float((((z ^ (z >> 31)) >> 12) + 0.5) * 2.0**-52)
