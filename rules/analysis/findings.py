"""What a check of rules finds, as pages and commands show it."""

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
]
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a merchant should know of a rule before it is published.

    `rule` is the rule's id (of an unused list, the list's name), `path` the JSON pointer (RFC 6901) to what it is
    about, as in `Problem`. `others` are the ids of the rules that take part, the one that matters most first.
    `example` is a set of raw facts by dotted name for which it comes true, where there is one to show.
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
        """The id of the other rule where two are involved."""
        return self.others[0] if self.others else None

    def to_json(self) -> dict[str, object]:
        """A plain JSON object with the same keys."""
        return asdict(self) | {"others": list(self.others)}
