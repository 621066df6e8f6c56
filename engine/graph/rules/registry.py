"""Handlers by operation: what each operation of a network does to channel identities.

A handler gets the propagation, the graph node and its arguments with identities in place of
activations, and returns the identities of the output. An operation without a handler stops the
trace with its name and place.
"""

from collections.abc import Callable
from typing import Any

from torch import fx, nn

from engine.graph.propagation import Propagation

Handler = Callable[[Propagation, fx.Node, tuple[Any, ...], dict[str, Any]], Any]
MODULES: dict[type[nn.Module], Handler] = {}
FUNCTIONS: dict[Any, Handler] = {}  # functions by themselves, tensor methods by name
TAKE_WEIGHTS: set[Any] = set()  # functions whose handlers take parameters as they are
_HARMLESS = {"__init__", "__repr__", "__setstate__", "__doc__", "__module__", "extra_repr", "reset_parameters"}


def module_rule(*kinds: type[nn.Module]) -> Callable[[Handler], Handler]:
    """Register a handler for calls of modules of these classes, and of subclasses that compute what they do."""

    def register(handler: Handler) -> Handler:
        MODULES.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def function_rule(*targets: Any, weights: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler for calls of these functions, and of tensor methods by name.

    With `weights` it gets parameters as `Weight`; else as identities along their one axis.
    """

    def register(handler: Handler) -> Handler:
        FUNCTIONS.update(dict.fromkeys(targets, handler))
        if weights:
            TAKE_WEIGHTS.update(targets)
        return handler

    return register


def for_module(module: nn.Module) -> Handler | None:
    """The handler of a module's nearest known class; None where the module computes something else than that class."""
    kind = next((kind for kind in type(module).__mro__ if kind in MODULES), None)
    return MODULES[kind] if kind is not None and computes_as(module, kind) else None


def computes_as(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module of class `kind`, or of a subclass, does in its forward just what that class does."""
    if not isinstance(module, kind) or "forward" in vars(module):
        return False
    line = type(module).__mro__
    own = {name for above in line[: line.index(kind)] for name in vars(above)} - _HARMLESS
    return not any(name in {"weight", "bias"} or callable(getattr(kind, name, None)) for name in own)
