"""Which of the things in a checkpoint are a network's weights: found by where they stand. No torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.spec.messages import as_text
from engine.zoo.checkpoints import arrays, rebuild
from engine.zoo.checkpoints.values import Foreign, OddTensor, TensorRef, UnfitError

MOST_ENTRIES = 20_000  # the largest network of the catalogue has 1,400
LONGEST_NAME = 500
_DEEPEST = 3  # levels of dictionaries around a state dict
_DEEPEST_MODULE = 60
_MOST_ITEMS = 16
_MOST_VISITS = 2_000_000
_PLACES = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights"),
    *("checkpoint", "model_state", "net_state_dict", "network_state_dict", "generator", "backbone", "variables"),
)
_AVERAGED = ("ema", "averag", "swa", "teacher", "momentum")
_TRAINING = ("optim", "sched", "scaler", "callback", "hyper", "amp", "loops", "criterion", "loss")
_SHOWN = 6  # names in a note
_COMPILED = "__torch__."  # how TorchScript calls its classes
_SCRIPT = "a TorchScript archive: its weights are read by name, its code is not run"
_WHOLE = "a whole network was saved: its weights are read by name, its code is not run"

Entries = dict[str, TensorRef | OddTensor]


class SeveralError(UnfitError):
    """There are several state dicts, of which nothing says which is meant."""


class _Visits:
    """What was looked at: every container once, and no more things in all than a checkpoint has."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._count = 0

    def is_new(self, value: Any) -> bool:
        """Whether a value that stays in memory was not looked at before."""
        is_new = id(value) not in self._seen
        self._seen.add(id(value))
        return is_new

    def spend(self, count: int) -> None:
        """Count what is gone through; UnfitError where one thing stands under very many names."""
        self._count += count
        if self._count > _MOST_VISITS:
            raise UnfitError("hold the same things under many names")


@dataclass(frozen=True)
class Weights:
    """Tensors by name, where in the checkpoint they stand, and what was decided on the way, in words."""

    entries: Entries
    place: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    place: tuple[str, ...]
    entries: Entries
    beside: dict[str, Any]  # what is no tensor in the same dictionary
    whole: str  # a note, where it is a network rather than its state dict

    def rank(self) -> tuple[bool, int, int, int]:
        """Plain weights before averaged ones, those in a usual place before others, and then those further out."""
        names = [part.lower() for part in self.place]
        places = [_PLACES.index(name) if name in _PLACES else len(_PLACES) for name in names]
        return self.is_averaged(), max(places, default=len(_PLACES)), len(names), -len(self.entries)

    def is_averaged(self) -> bool:
        return any(word in part.lower() for part in self.place for word in _AVERAGED)

    def is_usual(self) -> bool:
        names = {part.lower() for part in self.place}
        return not names or not names.isdisjoint(_PLACES) or self.is_averaged()


def select(value: Any, key: str | None) -> Weights:
    """The weights in a checkpoint: those under `key` (inner ones behind dots), else plain ones before averaged ones.

    UnfitError, in words that follow "weights PATH", where there are none; SeveralError, of which none is the usual.
    """
    if key is not None:
        return _named(value, key)
    found = sorted(_search(value, (), _Visits()), key=_Found.rank)
    most = max((len(one.entries) for one in found), default=0)
    found = [one for one in found if len(one.entries) * 4 > most]  # a counter or two are no network
    if not found:
        raise UnfitError(_why_none(value))
    chosen, *others = found
    if not chosen.is_usual() and others:
        raise SeveralError(f"hold several state dicts: {_names(one.place for one in found)}; say which, as FILE#KEY")
    return _checked(chosen, value, [one.place for one in others if one.place])


def _named(value: Any, key: str) -> Weights:
    parts = tuple(key.split("."))
    inner = value
    for number, part in enumerate(parts):
        mapping = _mapping(inner) or _items(inner)
        if part not in mapping:
            chosen = _by_prefix(inner, parts[number:])
            break
        inner = mapping[part]
    else:
        chosen = min(_search(inner, parts, _Visits()), key=_Found.rank, default=None)
    if chosen is None:
        there = (
            _names(dict.fromkeys(one.place for one in _search(value, (), _Visits()) if one.place))
            or "none by another key"
        )
        raise UnfitError(f"hold no state dict under {as_text(key)[:100]}; there is {there}")
    return _checked(_Found(parts, chosen.entries, chosen.beside, chosen.whole), value, [])


def _by_prefix(value: Any, parts: tuple[str, ...]) -> _Found | None:
    """The part of a state dict of which all names begin with these words."""
    start = ".".join(parts) + "."
    entries = {
        name.removeprefix(start): tensor for name, tensor in _tensors(_mapping(value)).items() if name.startswith(start)
    }
    return _Found(parts, entries, {}, "") if entries else None


def _search(value: Any, place: tuple[str, ...], visits: _Visits) -> Iterator[_Found]:
    """Everything that may be weights, with those inside it."""
    if not visits.is_new(value):
        return
    if isinstance(value, Foreign) and (module := _module_entries(value, visits)):
        yield _Found(place, module, {}, _SCRIPT if value.name.startswith(_COMPILED) else _WHOLE)
        return
    mapping = _mapping(value)
    visits.spend(len(mapping))
    tensors = _tensors(mapping)
    if tensors:
        beside = {key: inner for key, inner in mapping.items() if key not in tensors}
        yield _Found(place, tensors, beside, "")
    if len(place) < _DEEPEST:
        for key, inner in (mapping or _items(value)).items():
            if isinstance(inner, dict | Foreign | list | tuple) and isinstance(key, str) and not _is_training(key):
                yield from _search(inner, (*place, key), visits)


def _is_training(key: str) -> bool:
    return any(key.lower().startswith(word) for word in _TRAINING)


def _mapping(value: Any) -> Mapping[Any, Any]:
    """A dictionary, or an object's entries or attributes."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Foreign):
        return value.entries or _attributes(value)
    return {}


def _items(value: Any) -> Mapping[Any, Any]:
    """What stands in a short list or a tuple, such as a state dict beside its optimiser's, by its number."""
    is_short = isinstance(value, list | tuple) and len(value) <= _MOST_ITEMS
    return {str(number): item for number, item in enumerate(value)} if is_short else {}


def _attributes(value: Foreign) -> Mapping[Any, Any]:
    state = value.state
    if isinstance(state, tuple) and len(state) == 2:  # of a class with slots, too
        state = state[0] if isinstance(state[0], dict) else state[1]
    return state if isinstance(state, dict) else {}


def _tensors(mapping: Mapping[Any, Any]) -> Entries:
    found: Entries = {}
    for key, value in mapping.items():
        tensor = arrays.from_pickle(value) if isinstance(value, Foreign) else value
        if isinstance(key, str) and isinstance(tensor, TensorRef | OddTensor):
            found[key] = tensor
    return found


def _module_entries(root: Foreign, visits: _Visits) -> Entries:
    """The state dict of a network that was saved whole, or of TorchScript's; empty where an object is none."""
    found: Entries = {}
    open_parts: list[tuple[str, Foreign, int]] = [("", root, 0)]
    visited = 0
    while open_parts:
        prefix, part, depth = open_parts.pop()
        visited += 1
        if visited > MOST_ENTRIES or depth > _DEEPEST_MODULE:
            raise UnfitError(f"hold a network of more than {MOST_ENTRIES:,} modules, or of modules within each other")
        tensors, parts = _module_parts(part)
        visits.spend(len(tensors) + len(parts) + len(_attributes(part)))
        found |= {prefix + name: tensor for name, tensor in tensors.items()}
        open_parts += [(f"{prefix}{name}.", inner, depth + 1) for name, inner in reversed(parts.items())]
    return found


def _module_parts(part: Foreign) -> tuple[Entries, dict[str, Foreign]]:
    """The tensors and the modules of one module by name."""
    attributes = _attributes(part)
    if part.name.startswith(_COMPILED):
        groups: tuple[Mapping[Any, Any], ...] = (attributes,)
        inner = attributes
    elif isinstance(attributes.get("_modules"), dict):
        groups = tuple(_mapping(attributes.get(name)) for name in ("_parameters", "_buffers"))
        inner = attributes["_modules"]
    else:
        return {}, {}
    left_out = _mapping_or_set(attributes.get("_non_persistent_buffers_set"))
    tensors = {k: v for group in groups for k, v in _tensors(group).items() if k not in left_out}
    return tensors, {k: v for k, v in inner.items() if isinstance(k, str) and isinstance(v, Foreign)}


def _mapping_or_set(value: Any) -> set[str]:
    if isinstance(value, Foreign) and value.arguments and isinstance(value.arguments[0], list):
        value = value.arguments[0]
    return {item for item in value if isinstance(item, str)} if isinstance(value, set | list) else set()


def _checked(chosen: _Found, root: Any, others: list[tuple[str, ...]]) -> Weights:
    """What was chosen, with notes; UnfitError where it is too much, or where code stands among the weights."""
    longest = max(map(len, chosen.entries))
    if len(chosen.entries) > MOST_ENTRIES or longest > LONGEST_NAME:
        raise UnfitError(
            f"hold {len(chosen.entries):,} entries, the longest name of {longest:,} letters; "
            f"at most {MOST_ENTRIES:,} of {LONGEST_NAME:,} letters are taken"
        )
    for value in chosen.beside.values():
        if isinstance(value, Foreign) and not rebuild.is_everyday(value):
            raise _code(value)
    return Weights(chosen.entries, chosen.place, tuple(_notes(chosen, root, others)))


def _notes(chosen: _Found, root: Any, others: list[tuple[str, ...]]) -> Iterator[str]:
    where = as_text(".".join(chosen.place))
    if chosen.whole:
        yield chosen.whole
    if chosen.is_averaged():
        yield f"averaged weights are taken, from {where}"
    if others:
        keys = [as_text(".".join(place)) for place in others]
        yield f"weights are taken from {where or 'the file itself'}; {keys[0]} is there, too (FILE#{keys[0]} takes it)"
    beside = [str(key) for key in chosen.beside]
    if chosen.place:
        used = {chosen.place[0], *(place[0] for place in others if place)}
        beside = [key for key in _mapping(root) if isinstance(key, str) and key not in used] + beside
    if beside:
        shown = ", ".join(as_text(name)[:40] for name in beside[:_SHOWN])
        rest = f" and {len(beside) - _SHOWN} more" if len(beside) > _SHOWN else ""
        yield f"left out beside the weights: {shown}{rest}"


def _why_none(value: Any) -> str:
    code = next(_code_in(value, _Visits()), None)
    if code is not None:
        return str(_code(code))
    for key, inner in _mapping(value).items():
        named = as_text(key)[:100] if isinstance(key, str | int) else f"a key that is a {_kind(key)}"
        return f"hold no state dict ({named} is a {_kind(inner)})"
    return "hold no state dict"


def _code_in(value: Any, visits: _Visits, depth: int = 0) -> Iterator[Foreign]:
    """What would run code where weights are looked for."""
    if isinstance(value, dict | Foreign | list | tuple) and not visits.is_new(value):
        return
    if isinstance(value, Foreign) and not rebuild.is_everyday(value):
        yield value
    if depth <= _DEEPEST:
        for inner in (_mapping(value) or _items(value)).values():
            yield from _code_in(inner, visits, depth + 1)


def _kind(value: Any) -> str:
    if isinstance(value, TensorRef | OddTensor):
        return "tensor"
    return as_text(value.name)[:100] if isinstance(value, Foreign) else type(value).__name__


def _code(value: Foreign) -> UnfitError:
    return UnfitError(f"would run code ({as_text(value.name)[:100]}) and are not loaded")


def _names(places: Any) -> str:
    names = [as_text(".".join(place)) for place in places]
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
