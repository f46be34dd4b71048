"""What is wrong with a rule, and where."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from heapq import nlargest
from itertools import pairwise

_LONGEST_SHOWN = 60
_MOST_COMPARED = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `path` is a JSON pointer (RFC 6901) to the node, `message` says what would be right."""

    path: str
    message: str


class RuleError(Exception):
    """A rule, a fact's declaration or a text of JSON that is refused; `problems` is never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.path or '/'}: {problem.message}" for problem in self.problems))

    @classmethod
    def at(cls, path: str, message: str) -> "RuleError":
        """The error of a single problem."""
        return cls((Problem(path, message),))


def pointer(path: str, *steps: object) -> str:
    """`path` with `steps` appended, escaped as RFC 6901 asks; long keys are cut to keep messages short."""
    escaped = (shown(str(step)).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join((path, *(f"/{step}" for step in escaped)))


def shown(text: str) -> str:
    """`text` cut to a length fit for a message, with nothing in it that cannot be encoded or stored."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return cut.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" for the known name that is closest, or an empty string."""
    # difflib is quadratic, and names come from strangers: it sees short names and a short list only
    if len(name) > _LONGEST_SHOWN:
        return ""
    pieces = _pieces(name)
    likely = nlargest(_MOST_COMPARED, known, key=lambda other: len(pieces & _pieces(other)))
    close = get_close_matches(name, likely, n=1)
    return f"; did you mean {close[0]}?" if close else ""


@lru_cache(maxsize=4_096)
def _pieces(name: str) -> set[str]:
    """The letters of a name and its pairs of letters."""
    return {*name, *map("".join, pairwise(name))}
