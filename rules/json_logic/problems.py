"""Describe the problems of a rule, with their paths."""

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
    """A mistake: `path` is a JSON pointer (RFC 6901) to the node, `message` says what is expected."""

    path: str
    message: str


class RuleError(Exception):
    """Raised for a rule, field declaration or JSON text with problems; `problems` is never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.path or '/'}: {problem.message}" for problem in self.problems))

    @classmethod
    def single(cls, path: str, message: str) -> "RuleError":
        """Return an error with a single problem."""
        return cls((Problem(path, message),))


def pointer(path: str, *steps: object) -> str:
    """Return `path` with `steps` appended, escaped as RFC 6901 requires; long keys are cut to keep messages short."""
    escaped = (shown(str(step)).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join((path, *(f"/{step}" for step in escaped)))


def shown(text: str) -> str:
    """Return `text` cut to message length, without characters that cannot be encoded or stored."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return cut.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest of `names`, or an empty string."""
    # difflib is quadratic and names are untrusted input: give it only short names and a short list
    if len(name) > _LONGEST_SHOWN:
        return ""
    letters = _letters(name)
    likely = nlargest(_MOST_COMPARED, names, key=lambda other: len(letters & _letters(other)))
    close = get_close_matches(name, likely, n=1)
    return f"; did you mean {close[0]}?" if close else ""


@lru_cache(maxsize=4_096)
def _letters(name: str) -> set[str]:
    """Return the letters of a name and its pairs of letters."""
    return {*name, *map("".join, pairwise(name))}
