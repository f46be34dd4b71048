"""What one does to a tree: each act gives a new tree, and touches nothing that it is not about."""

from __future__ import annotations

from collections.abc import Callable

from web.admin.rules.builder.nodes import Group, Kind, Node, Row, Steps, part_at, with_part, with_parts
from web.admin.rules.builder.operators import IS

BLANK = Row("", IS, ("",))
Changed = tuple[Group, Steps]
"""The new tree, and where the thing stands now that the act was about."""


def add_row(root: Group, position: Steps) -> Changed:
    """Add a blank row at the end of a group."""
    return _append(root, position, BLANK)


def add_group(root: Group, position: Steps) -> Changed:
    """Add a group with one blank row at the end of a group: any inside all, all inside any."""
    outer = part_at(root, position)
    kind: Kind = "any" if isinstance(outer, Group) and outer.kind == "all" else "all"
    tree, steps = _append(root, position, Group(kind, (BLANK,)))
    return tree, (*steps, 0) if steps != position else steps


def remove(root: Group, position: Steps) -> Changed:
    """Remove a part; a nested group is removed with its last part."""
    parent, group = _parent(root, position)
    if group is None or part_at(root, position) is None:
        return root, position
    if len(group.parts) == 1 and parent:
        return remove(root, parent)
    parts = (*group.parts[: position[-1]], *group.parts[position[-1] + 1 :])
    beside = (*parent, min(position[-1], len(parts) - 1)) if parts else parent
    return _with_parts(root, parent, group, parts), beside


def duplicate(root: Group, position: Steps) -> Changed:
    """Copy a part below itself."""
    parent, group = _parent(root, position)
    if group is None or part_at(root, position) is None:
        return root, position
    parts = (*group.parts[: position[-1] + 1], group.parts[position[-1]], *group.parts[position[-1] + 1 :])
    return _with_parts(root, parent, group, parts), (*parent, position[-1] + 1)


def wrap(root: Group, position: Steps) -> Changed:
    """Put a part into a group of its own."""
    part, (_, group) = part_at(root, position), _parent(root, position)
    if part is None or group is None:
        return root, position
    kind: Kind = "any" if group.kind == "all" else "all"
    return with_part(root, position, Group(kind, (part,))), (*position, 0)


def unwrap(root: Group, position: Steps) -> Changed:
    """Replace a group by its parts."""
    inner, (parent, group) = part_at(root, position), _parent(root, position)
    if group is None or not isinstance(inner, Group):
        return root, position
    parts = (*group.parts[: position[-1]], *inner.parts, *group.parts[position[-1] + 1 :])
    return _with_parts(root, parent, group, parts), position if inner.parts else parent


def up(root: Group, position: Steps) -> Changed:
    """Move a part up; the first of a group moves before the group."""
    return _moved(root, position, -1)


def down(root: Group, position: Steps) -> Changed:
    """Move a part down; the last of a group moves behind the group."""
    return _moved(root, position, 1)


def move(root: Group, position: Steps, to: Steps) -> Changed:
    """Move a part before the one at `to`, or to the end of that group, as dragging does."""
    part, (_, target) = part_at(root, position), _parent(root, to)
    if part is None or target is None or not position or to[: len(position)] == position:
        return root, position
    marked = with_part(root, position, Group("all", (), source=_MARK))
    _, target_group = _parent(marked, to)
    if target_group is None:
        return root, position
    parts = (*target_group.parts[: to[-1]], part, *target_group.parts[to[-1] :])
    return _without_mark(_with_parts(marked, to[:-1], target_group, parts), to, position)


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


def _append(root: Group, position: Steps, part: Node) -> Changed:
    group = part_at(root, position)
    if not isinstance(group, Group):
        return root, position
    return _with_parts(root, position, group, (*group.parts, part)), (*position, len(group.parts))


def _with_parts(root: Group, position: Steps, group: Group, parts: tuple[Node, ...]) -> Group:
    return with_part(root, position, with_parts(group, parts))


def _parent(root: Group, position: Steps) -> tuple[Steps, Group | None]:
    """Return the position of the group around a part, and the group; None where there is no such part."""
    group = part_at(root, position[:-1]) if position else None
    fits = isinstance(group, Group) and 0 <= position[-1] <= len(group.parts)
    return position[:-1], group if isinstance(group, Group) and fits else None


def _moved(root: Group, position: Steps, by: int) -> Changed:
    parent, group = _parent(root, position)
    part = part_at(root, position)
    if group is None or part is None:
        return root, position
    target = position[-1] + by
    if 0 <= target < len(group.parts):
        parts = list(group.parts)
        parts[position[-1]], parts[target] = parts[target], part
        return _with_parts(root, parent, group, tuple(parts)), (*parent, target)
    if not parent:
        return root, position
    return move(root, position, (*parent[:-1], parent[-1] + (by > 0)))


def _without_mark(root: Group, to: Steps, position: Steps) -> Changed:
    """Remove the placeholder of the moved part; return the tree and the part's new position."""
    steps, mark = to, _mark_in(root, ())
    if mark is None:
        return root, to
    tree, _ = remove(root, mark)
    removed = mark
    while len(removed) > 1 and _parts_at(root, removed[:-1]) == 1:
        removed = removed[:-1]
    depth = len(removed) - 1
    if steps[:depth] == removed[:-1] and len(steps) > depth and steps[depth] > removed[-1]:
        steps = (*steps[:depth], steps[depth] - 1, *steps[depth + 1 :])
    return tree, steps


def _parts_at(root: Group, position: Steps) -> int:
    group = part_at(root, position)
    return len(group.parts) if isinstance(group, Group) else 0


def _mark_in(group: Group, position: Steps) -> Steps | None:
    for index, part in enumerate(group.parts):
        if isinstance(part, Group):
            mark = (*position, index) if part.source is _MARK else _mark_in(part, (*position, index))
            if mark is not None:
                return mark
    return None
