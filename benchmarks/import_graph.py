"""Read the product's sources and who imports whom: rooms, floors, circles, and a picture of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("rules", "bandits", "simulation", "evaluation", "engine", "migrations", "web")
Graph = dict[str, set[str]]


class Module(NamedTuple):
    """A source file: its dotted name, path below the root, text and tree."""

    name: str
    path: str
    text: str
    tree: ast.Module


def read(root: Path, packages: Iterable[str] = PACKAGES) -> list[Module]:
    modules = []
    for path in sorted(file for package in packages for file in (root / package).rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text()
        modules.append(Module(name, str(relative), text, ast.parse(text)))
    return modules


def module_imports(modules: Iterable[Module]) -> Graph:
    """Return for each module the modules of the product that it imports, at any depth of the file."""
    modules = list(modules)
    names = {module.name for module in modules}
    graph: Graph = {}
    for module in modules:
        targets = {target for node in ast.walk(module.tree) for target in _imported(node, names)}
        graph[module.name] = targets - {module.name}
    return graph


def _imported(node: ast.AST, names: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            if submodule in names:
                yield submodule
            elif node.module in names:
                yield node.module


def room_imports(imports: Mapping[str, set[str]], package: str) -> Graph:
    """Return the graph of the rooms of a package."""
    rooms: Graph = {}
    for name, targets in imports.items():
        room = _room(name, package)
        if room:
            inner = {target for target in (_room(target, package) for target in targets) if target}
            rooms.setdefault(room, set()).update(inner - {room})
    return rooms


def _room(name: str, package: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == package and len(parts) > 1 else None


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the sets of nodes that reach each other (Tarjan's components of two and more)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in order:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == order[node]:
            component = stack[stack.index(node) :]
            del stack[-len(component) :]
            components.append(sorted(component))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return [component for component in components if len(component) > 1]


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the floor of each room, from 1; rooms of a circle share a floor."""
    circle = {name: component[0] for component in circles(graph) for name in component}
    merged: Graph = {}
    for room, targets in graph.items():
        name = circle.get(room, room)
        merged.setdefault(name, set()).update({circle.get(target, target) for target in targets} - {name})
    level: dict[str, int] = {}
    for room in TopologicalSorter(merged).static_order():
        level[room] = 1 + max((level[target] for target in merged.get(room, ())), default=0)
    return {room: level[circle.get(room, room)] for room in graph}


def picture(imports: Graph) -> str:
    """Draw who imports whom as a Mermaid flowchart: the packages, and the rooms of the engine on their floors.

    An arrow that follows from others is left out: `a -> c` beside `a -> b -> c`.
    """
    rooms = room_imports(imports, "engine")
    packages: Graph = {package: set() for package in PACKAGES}
    for name, targets in imports.items():
        source = name.split(".")[0]
        packages[source] |= {target.split(".")[0] for target in targets} - {source}
    # migrations and engine name each other: engine names the files, migrations the tables.
    packages["migrations"].discard("engine")
    lines = ["```mermaid", "flowchart TD", "  subgraph engine"]
    lines += [f"    {room}" for room in sorted(rooms)]
    lines += [f"    {arrow}" for arrow in _arrows(rooms)]
    lines += ["  end", *(f"  {arrow}" for arrow in _arrows(packages)), "```"]
    return "\n".join(lines)


def _arrows(graph: Graph) -> list[str]:
    reach = {node: _reachable(graph, node) for node in graph}
    direct = {
        node: {target for target in targets if not any(target in reach[other] for other in targets - {target})}
        for node, targets in graph.items()
    }
    return [f"{node} --> {target}" for node in sorted(direct) for target in sorted(direct[node])]


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    pending = [start]
    while pending:
        new = graph[pending.pop()] - seen
        seen |= new
        pending.extend(new)
    return seen
