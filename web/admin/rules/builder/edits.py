"""What one does to a tree: each act gives a new tree, and touches nothing that it is not about."""

from __future__ import annotations

from collections.abc import Callable

from web.admin.rules.builder.nodes import Group, Kind, Node, Row, Steps, part_at, with_part, with_parts
from web.admin.rules.builder.operators import IS

BLANK = Row("", IS, ("",))
Changed = tuple[Group, Steps]
"""The new tree, and where the thing stands now that the act was about."""


def add_row(root: Group, at: Steps) -> Changed:
    """Add a blank row at the end of a group."""
    return _append(root, at, BLANK)


def add_group(root: Group, at: Steps) -> Changed:
    """Add a group with one blank row at the end of a group: any inside all, all inside any."""
    outer = part_at(root, at)
    kind: Kind = "any" if isinstance(outer, Group) and outer.kind == "all" else "all"
    tree, steps = _append(root, at, Group(kind, (BLANK,)))
    return tree, (*steps, 0) if steps != at else steps


def remove(root: Group, at: Steps) -> Changed:
    """Remove a part; a nested group is removed with its last part."""
    parent, group = _parent(root, at)
    if group is None or part_at(root, at) is None:
        return root, at
    if len(group.parts) == 1 and parent:
        return remove(root, parent)
    parts = (*group.parts[: at[-1]], *group.parts[at[-1] + 1 :])
    beside = (*parent, min(at[-1], len(parts) - 1)) if parts else parent
    return _with_parts(root, parent, group, parts), beside


def duplicate(root: Group, at: Steps) -> Changed:
    """Copy a part below itself."""
    parent, group = _parent(root, at)
    if group is None or part_at(root, at) is None:
        return root, at
    parts = (*group.parts[: at[-1] + 1], group.parts[at[-1]], *group.parts[at[-1] + 1 :])
    return _with_parts(root, parent, group, parts), (*parent, at[-1] + 1)


def wrap(root: Group, at: Steps) -> Changed:
    """Put a part into a group of its own."""
    part, (_, group) = part_at(root, at), _parent(root, at)
    if part is None or group is None:
        return root, at
    kind: Kind = "any" if group.kind == "all" else "all"
    return with_part(root, at, Group(kind, (part,))), (*at, 0)


def unwrap(root: Group, at: Steps) -> Changed:
    """Replace a group by its parts."""
    inner, (parent, group) = part_at(root, at), _parent(root, at)
    if group is None or not isinstance(inner, Group):
        return root, at
    parts = (*group.parts[: at[-1]], *inner.parts, *group.parts[at[-1] + 1 :])
    return _with_parts(root, parent, group, parts), at if inner.parts else parent


def up(root: Group, at: Steps) -> Changed:
    """Move a part up; the first of a group moves before the group."""
    return _moved(root, at, -1)


def down(root: Group, at: Steps) -> Changed:
    """Move a part down; the last of a group moves behind the group."""
    return _moved(root, at, 1)


def move(root: Group, at: Steps, to: Steps) -> Changed:
    """Move a part before the one at `to`, or to the end of that group, as dragging does."""
    part, (_, target) = part_at(root, at), _parent(root, to)
    if part is None or target is None or not at or to[: len(at)] == at:
        return root, at
    marked = with_part(root, at, Group("all", (), source=_MARK))
    _, place = _parent(marked, to)
    if place is None:
        return root, at
    parts = (*place.parts[: to[-1]], part, *place.parts[to[-1] :])
    return _without_mark(_with_parts(marked, to[:-1], place, parts), to, at)


ACTS: dict[str, Callable[[Group, Steps], Changed]] = {
    "add_row": add_row,
    "add_group": add_group,
    "remove": remove,
    "duplicate": duplicate,
    "wrap": wrap,
    "unwrap": unwrap,
    "up": up,
    "down": down,
}

_MARK = object()


def _append(root: Group, at: Steps, part: Node) -> Changed:
    group = part_at(root, at)
    if not isinstance(group, Group):
        return root, at
    return _with_parts(root, at, group, (*group.parts, part)), (*at, len(group.parts))


def _with_parts(root: Group, at: Steps, group: Group, parts: tuple[Node, ...]) -> Group:
    return with_part(root, at, with_parts(group, parts))


def _parent(root: Group, at: Steps) -> tuple[Steps, Group | None]:
    """Return the position of the group around a part, and the group; None where there is no such part."""
    group = part_at(root, at[:-1]) if at else None
    fits = isinstance(group, Group) and 0 <= at[-1] <= len(group.parts)
    return at[:-1], group if isinstance(group, Group) and fits else None


def _moved(root: Group, at: Steps, by: int) -> Changed:
    parent, group = _parent(root, at)
    part = part_at(root, at)
    if group is None or part is None:
        return root, at
    target = at[-1] + by
    if 0 <= target < len(group.parts):
        parts = list(group.parts)
        parts[at[-1]], parts[target] = parts[target], part
        return _with_parts(root, parent, group, tuple(parts)), (*parent, target)
    if not parent:
        return root, at
    return move(root, at, (*parent[:-1], parent[-1] + (by > 0)))


def _without_mark(root: Group, to: Steps, at: Steps) -> Changed:
    """Remove the placeholder of the moved part; return the tree and the part's new position."""
    steps, place = to, _mark_in(root, ())
    if place is None:
        return root, to
    tree, _ = remove(root, place)
    gone = place
    while len(gone) > 1 and _parts_at(root, gone[:-1]) == 1:
        gone = gone[:-1]
    depth = len(gone) - 1
    if steps[:depth] == gone[:-1] and len(steps) > depth and steps[depth] > gone[-1]:
        steps = (*steps[:depth], steps[depth] - 1, *steps[depth + 1 :])
    return tree, steps


def _parts_at(root: Group, at: Steps) -> int:
    group = part_at(root, at)
    return len(group.parts) if isinstance(group, Group) else 0


def _mark_in(group: Group, at: Steps) -> Steps | None:
    for index, part in enumerate(group.parts):
        if isinstance(part, Group):
            found = (*at, index) if part.source is _MARK else _mark_in(part, (*at, index))
            if found is not None:
                return found
    return None
