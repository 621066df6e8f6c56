"""Draws docs/rooms.svg from the imports in the source: `python docs/draw_rooms.py`.

A room is a package of the engine; `app` and `pages` are one room each. Rooms stand in layers, each above all that it
imports. An import that a longer way implies is not drawn, nor are those of the engine's own modules, which stand below
everything. Layers are ordered by the mean place of their
neighbours, with a bend where a line crosses a layer (Sugiyama et al. 1981).
"""

import ast
import statistics
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {path.parent.name for path in (ROOT / "engine").glob("*/__init__.py")}
MODULES = sorted(path.stem for path in (ROOT / "engine").glob("*.py") if not path.stem.startswith("__"))
FILE = Path(__file__).with_name("rooms.svg")
MOST_WIDE, ROW, BOX, HIGH, GAP = 760.0, 58.0, 92.0, 30.0, 24.0  # px
SWEEPS = 24
STYLE = """
text{font:14px system-ui,sans-serif;text-anchor:middle;fill:#1a1c24}
rect{fill:#f2f5ef;stroke:#4f7a48;rx:6px}.screen rect{fill:#eef3fa;stroke:#3a6ea5}
path{fill:none;stroke:#8c8c8c;stroke-width:1.3}marker path{fill:#8c8c8c;stroke:none}
@media (prefers-color-scheme:dark){text{fill:#fafafa}rect{fill:#24301f;stroke:#86b57c}
.screen rect{fill:#1d2836;stroke:#7fb0e6}path{stroke:#9a9a9a}marker path{fill:#9a9a9a}}
"""
Graph = dict[str, set[str]]


def room_of(parts: Iterable[str]) -> str | None:
    """The room of a module's dotted parts; None for what is in none."""
    top, *rest = parts
    if top in ("app", "pages"):
        return top
    return rest[0] if top == "engine" and rest and rest[0] in PACKAGES else None


def imported(path: Path) -> set[str]:
    """The dotted names that importing a file imports."""
    names: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes += ast.iter_child_nodes(node)
    return names


def import_graph() -> Graph:
    """Each room, and the rooms that it imports."""
    graph: Graph = {}
    for top in ("pages", "app", "engine"):
        for path in sorted((ROOT / top).rglob("*.py")):
            room = room_of(path.relative_to(ROOT).with_suffix("").parts)
            if room is not None:
                others = {room_of(name.split(".")) for name in imported(path)} - {room, None}
                graph.setdefault(room, set()).update(str(other) for other in others)
    return graph


def reachable(graph: Graph, room: str) -> set[str]:
    """All that a room imports, directly or not."""
    below = graph[room]
    return below.union(*(reachable(graph, other) for other in below))


def reduced(graph: Graph) -> Graph:
    """The graph without the imports that a longer way implies."""
    below = {room: reachable(graph, room) for room in graph}
    return {room: {b for b in direct if not any(b in below[c] for c in direct)} for room, direct in graph.items()}


def heights(graph: Graph) -> dict[str, int]:
    """The layer of each room: one above the highest that it imports, 0 for rooms that import none."""
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            height[room] = 1 + max(map(of, graph[room]), default=-1)
        return height[room]

    for room in graph:
        of(room)
    return height


def bent(graph: Graph, height: dict[str, int]) -> tuple[dict[tuple[str, str], list[str]], dict[str, int]]:
    """Each line as the chain of its ends and bends, and the layer of every room and bend."""
    layer, chains = dict(height), {}
    for room in sorted(graph):
        for other in sorted(graph[room]):
            bends = [f"{room}>{other}:{y}" for y in range(height[room] - 1, height[other], -1)]
            layer.update(zip(bends, range(height[room] - 1, height[other], -1), strict=True))
            chains[room, other] = [room, *bends, other]
    return chains, layer


def places(chains: Iterable[list[str]], layer: Mapping[str, int]) -> dict[str, float]:
    """The middle of every room and bend, in px from the left."""
    beside: dict[str, list[str]] = {name: [] for name in layer}
    for chain in chains:
        for a, b in pairwise(chain):
            beside[a].append(b)
            beside[b].append(a)
    rows = [sorted(name for name in layer if layer[name] == y) for y in range(max(layer.values()) + 1)]
    x = {name: float(at) for row in rows for name, at in spread(row, {}).items()}
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 else -1
        for row in rows[::step]:
            x |= spread(row, {n: statistics.fmean(x[other] for other in beside[n]) for n in row})
    left = min(at for name, at in x.items() if ":" not in name) - BOX / 2 - GAP / 2
    return {name: at - left for name, at in x.items()}


def spread(row: list[str], wish: Mapping[str, float]) -> dict[str, float]:
    """A layer in the order of the wishes, each as near to its own as its neighbours and the width let it."""
    row = sorted(row, key=lambda name: (wish.get(name, 0.0), name))
    sizes = [BOX if ":" not in name else 0 for name in row]
    needed = sum(sizes) + GAP * (len(row) - 1)
    out, least = {}, GAP / 2
    for name, size in zip(row, sizes, strict=True):
        most = MOST_WIDE - GAP / 2 - needed + size / 2
        out[name] = min(max(least + size / 2, wish.get(name, most)), most)
        needed -= size + GAP
        least = out[name] + size / 2 + GAP
    return out


def draw(graph: Graph) -> str:
    """The picture as SVG."""
    lines = reduced(graph)
    chains, layer = bent(lines, heights(graph))
    x, top = places(chains.values(), layer), max(layer.values())
    width = max(at for name, at in x.items() if ":" not in name) + BOX / 2 + GAP / 2
    y = {name: GAP / 2 + HIGH / 2 + (top - layer[name]) * ROW for name in layer}
    floor = ROW * (top + 1) + GAP / 2
    tall = floor + HIGH + GAP / 2
    size = f'viewBox="0 0 {width:.0f} {tall:.0f}" width="{width:.0f}"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">']
    out += ["<title>Rooms and their imports</title>", f"<style>{STYLE}</style>"]
    out += ['<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">']
    out += ['<path d="M0 0L8 4L0 8z"/></marker>']
    out += [f'<path d="{curve([(x[n], y[n]) for n in chain])}" marker-end="url(#tip)"/>' for chain in chains.values()]
    boxes = [("screen" if room in ("app", "pages") else "room", room, x[room], y[room], BOX) for room in graph]
    boxes.append(("room", " · ".join(MODULES), width / 2, floor + HIGH / 2, width - GAP))
    return "\n".join([*out, *(box(*each) for each in sorted(boxes, key=lambda each: each[3:1:-1])), "</svg>", ""])


def box(kind: str, text: str, x: float, y: float, wide: float) -> str:
    """A box around its middle."""
    size = f'x="{x - wide / 2:.0f}" y="{y - HIGH / 2:.0f}" width="{wide:.0f}" height="{HIGH:.0f}"'
    return f'<g class="{kind}"><rect {size}/><text x="{x:.0f}" y="{y + 5:.0f}">{text}</text></g>'


def curve(points: list[tuple[float, float]]) -> str:
    """A smooth line from the foot of the first box through the bends to the head of the last."""
    (x, y), *between, (end_x, end_y) = points
    path, y = f"M{x:.0f} {y + HIGH / 2:.0f}", y + HIGH / 2
    for to_x, to_y in [*between, (end_x, end_y - HIGH / 2)]:
        middle = (y + to_y) / 2
        path += f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}"
        x, y = to_x, to_y
    return path


if __name__ == "__main__":
    FILE.write_text(draw(import_graph()), encoding="utf-8")
