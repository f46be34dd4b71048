"""JSON as people edit it: laid out to be read, and with every mistake beside its line."""

import json
import re

SKIP = re.compile(r"[\s,:]*")
LINE_NUMBER = re.compile(r"line (\d+)")
LONGEST_EXCERPT = 60


def pretty(value: object) -> str:
    """Format JSON: what fits on a line stays on it."""
    return "\n".join(_lines(value))


def line_of(text: str, pointer: str, message: str = "") -> int:
    """Return the line, from 1, of the node at an RFC 6901 pointer; for broken JSON the line that the message names."""
    match = LINE_NUMBER.search(message)
    if match and not pointer.strip("/"):
        return int(match.group(1))
    return text.count("\n", 0, _offset(text, pointer)) + 1


def excerpt(text: str, line: int) -> str:
    """Return a line without its indentation, shortened."""
    lines = text.splitlines()
    stripped = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    return stripped if len(stripped) <= LONGEST_EXCERPT else stripped[:LONGEST_EXCERPT] + "…"


def _offset(text: str, pointer: str) -> int:
    """Return the offset of a node; where a step leads nowhere, of the last node on the way."""
    position = _skip(text, 0)
    for step in pointer.split("/")[1:]:
        child = _child(text, position, step.replace("~1", "/").replace("~0", "~"))
        if child is None:
            break
        position = child
    return position


def _child(text: str, position: int, step: str) -> int | None:
    if text[position : position + 1] == "{":
        return _member(text, position, step)
    if text[position : position + 1] == "[" and step.isdigit():
        return _element(text, position, int(step))
    return None


def _member(text: str, position: int, key: str) -> int | None:
    position = _skip(text, position + 1)
    while text[position : position + 1] == '"':
        name, after = _value(text, position)
        position = _skip(text, after)
        if name == key:
            return position
        position = _skip(text, _value(text, position)[1])
    return None


def _element(text: str, position: int, index: int) -> int | None:
    position = _skip(text, position + 1)
    while text[position : position + 1] not in ("]", ""):
        if index == 0:
            return position
        index -= 1
        position = _skip(text, _value(text, position)[1])
    return None


def _value(text: str, position: int) -> tuple[object, int]:
    try:
        return json.JSONDecoder().raw_decode(text, position)
    except ValueError:
        return None, len(text)


def _skip(text: str, position: int) -> int:
    match = SKIP.match(text, position)
    return match.end() if match else position


def _lines(value: object, *, room: int = 72) -> list[str]:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= room or not value or not isinstance(value, dict | list):
        return [flat]
    if isinstance(value, dict):
        parts = [
            _under(json.dumps(name, ensure_ascii=False), _lines(member, room=room - 2))
            for name, member in value.items()
        ]
        return ["{", *_joined(parts), "}"]
    return ["[", *_joined([_lines(member, room=room - 2) for member in value]), "]"]


def _under(name: str, lines: list[str]) -> list[str]:
    return [f"{name}: {lines[0]}", *lines[1:]]


def _joined(parts: list[list[str]]) -> list[str]:
    """Join members by lines, indented, with a comma after each but the last."""
    lines = []
    for number, part in enumerate(parts):
        comma = "," if number < len(parts) - 1 else ""
        lines += [f"  {line}" for line in part[:-1]] + [f"  {part[-1]}{comma}"]
    return lines
