"""Define the findings of a check of rules, as pages and commands show them."""

from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal[
    "never",
    "dead part",
    "always",
    "shadowed",
    "fight",
    "may be empty",
    "unused list",
    "schedule empty",
    "schedule over",
    "never sent",
    "never true",
    "not offered",
]
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A problem or remark that a merchant should see before a rule is published.

    `rule` is the rule's id (for an unused list, the list's name), `path` the JSON pointer (RFC 6901) to the part
    concerned, as in `Problem`. `others` are the ids of the other rules involved, the most important first. `example` is
    a set of raw facts by dotted name for which the finding applies, where there is one.
    """

    rule: str
    path: str
    kind: Kind
    severity: Severity
    message: str
    others: tuple[str, ...] = ()
    example: dict[str, object] | None = field(default=None, hash=False)

    @property
    def other(self) -> str | None:
        """Return the id of the most important other rule, if there is one."""
        return self.others[0] if self.others else None

    def to_json(self) -> dict[str, object]:
        """Return a plain JSON object with the same keys."""
        return asdict(self) | {"others": list(self.others)}
