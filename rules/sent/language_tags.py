"""Write tags of languages as BCP 47 does, so that `de_DE`, `DE-de` and `de-DE.UTF-8` are the one tag `de-DE`."""

import re

LONGEST_TAG = 35
_ENCODING = re.compile(r"[.@].*\Z", re.DOTALL)


def language_tag(text: str) -> str:
    """Return the tag with hyphens and usual capitals, without an encoding; what is no tag is not refused here."""
    first, *others = _ENCODING.sub("", text).replace("_", "-").split("-")
    return "-".join([first.lower(), *map(_subtag, others)])


def _subtag(text: str) -> str:
    if len(text) == 2 and text.isalpha():
        return text.upper()
    return text.capitalize() if len(text) == 4 and text.isalpha() else text.lower()
