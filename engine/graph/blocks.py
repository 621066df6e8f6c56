"""Which blocks may go: the residual blocks and plain units of a traced model, and why or why not."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from engine.graph.channel_ids import Trace, compact
from engine.graph.cost import is_inside
from engine.graph.patterns import ACTIVATIONS, layer_nodes, unit
from engine.graph.rules.joins import ADDITIONS
from engine.units import dimensions

_CONCATENATIONS = {torch.cat, torch.concat}


@dataclass(frozen=True)
class Block:
    """A block by the name of its first module; removing it puts identities in place of `modules`."""

    name: str
    modules: tuple[str, ...]
    removable: bool
    why: str
    reads: Tensor | None = None  # identities of what flows in, set for removable blocks
    writes: Tensor | None = None


def find_blocks(trace: Trace) -> list[Block]:
    """The blocks of a model in order of depth.

    Residual networks: every module of a class that adds a skip in its own forward. A block is removable
    when what it adds to is its own unchanged input. Plain networks (no additions, no concatenations): every
    convolution, with the norm and activation that directly follow; removable when input and output have the
    same shape. Other networks have no blocks.
    """
    residual = _residual_blocks(trace)
    if residual or any(node.target in _CONCATENATIONS for node in trace.graph.graph.nodes):
        return residual
    return _plain_units(trace)


def _residual_blocks(trace: Trace) -> list[Block]:
    inside: dict[str, list[fx.Node]] = {}
    kinds: dict[str, object] = {}
    adding: set[object] = set()
    for node in trace.graph.graph.nodes:
        stack = [(path, kind) for path, kind in (node.meta.get("nn_module_stack") or {}).values() if path]
        for path, kind in stack:
            inside.setdefault(path, []).append(node)
            kinds[path] = kind
        if stack and node.target in ADDITIONS and len(_tensor_inputs(node, trace)) == 2:
            adding.add(stack[-1][1])
    blocks = [path for path in inside if kinds[path] in adding and any(is_inside(x, (path,)) for x in trace.layers)]
    return [_residual_block(trace, path, inside[path]) for path in blocks]


def _residual_block(trace: Trace, path: str, nodes: list[fx.Node]) -> Block:
    members = set(nodes)
    reads = {n for node in nodes for n in node.all_input_nodes if n not in members and n.op != "get_attr"}
    writes = {node for node in nodes if any(user not in members for user in node.users)}

    def block(removable: bool, why: str, *ids: Tensor) -> Block:
        return Block(path, (path,), removable, why, *ids)

    if len(reads) != 1 or len(writes) != 1:
        return block(False, "it has more than one input or output")
    before, after = trace.values[reads.pop().name], trace.values[writes.pop().name]
    if before.shape != after.shape:
        return block(False, f"it changes the shape: {_change(before, after)}")
    if not bool((compact(before, after) == compact(after, before)).all()):
        return block(False, "its shortcut is a projection, not the block's own input")
    return block(True, "its skip passes the input on unchanged", before, after)


def _plain_units(trace: Trace) -> list[Block]:
    calls = Counter(node.target for node in trace.graph.graph.nodes if node.op == "call_module")
    units = []
    for node in layer_nodes(trace).values():
        chain = [n for n in unit(trace, node) if n is not None]
        modules = tuple(str(n.target) for n in chain)
        if any(n.op != "call_module" for n in chain):  # a function: no module stands for it alone
            continue
        if trace.layers[modules[0]].kind == "linear" or not isinstance(_module(trace, chain[-1]), ACTIVATIONS):
            continue
        before, after = trace.values[node.all_input_nodes[0].name], trace.values[chain[-1].name]
        name = _unit_name(modules)
        if any(calls[module] > 1 for module in modules):
            units.append(Block(name, modules, False, "it is called more than once"))
        elif before.shape != after.shape:
            units.append(Block(name, modules, False, f"it changes the shape: {_change(before, after)}"))
        else:
            units.append(Block(name, modules, True, "input and output have the same shape", before, after))
    return units


def _module(trace: Trace, node: fx.Node) -> nn.Module | None:
    return trace.graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _unit_name(modules: tuple[str, ...]) -> str:
    """The module that holds just this unit, where there is one; else its convolution."""
    parents = {m.rpartition(".")[0] for m in modules}
    parent = parents.pop() if len(parents) == 1 else ""
    leaves = {m.rpartition(".")[2] for m in modules}
    return parent if parent and not any(leaf.isdigit() for leaf in leaves) else modules[0]


def _change(before: Tensor, after: Tensor) -> str:
    return f"{dimensions(before.shape[1:])} → {dimensions(after.shape[1:])}"


def _tensor_inputs(node: fx.Node, trace: Trace) -> list[fx.Node]:
    """The activations that a node reads: no parameters, nor what is made of them alone."""
    return [n for n in node.all_input_nodes if n.name in trace.values and _reads_image(n)]


def _reads_image(node: fx.Node) -> bool:
    open_nodes, seen = [node], set()
    while open_nodes:
        n = open_nodes.pop()
        if n.op in ("placeholder", "call_module"):
            return True
        seen.add(n)
        open_nodes += [source for source in n.all_input_nodes if source not in seen]
    return False
