"""Why a pruned network is not faster: each reason with the layers concerned and what it costs. Pure, no torch.

Every layer that takes longer than its multiply–accumulates account for has one reason, so that costs add up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine import units
from engine.latency.layers.account import SHARED, Account, LayerAccount, Macs, make_account
from engine.storage.timings.layers import LayerProfile
from engine.texts import one_line

Cause = Literal["widths", "memory", "depth", "copies", "operations", "unmapped"]
TITLES: dict[Cause, str] = {
    "widths": "Widths off the multiple",
    "memory": "Layers bound by memory",
    "depth": "Depth that remains",
    "copies": "Copies into another layout",
    "operations": "Operations between the layers",
    "unmapped": "Time without a name",
}
_FP16, _INT8, _ANY_GPU = 8, 16, 8  # channels that kernels work on at a time
_SMALLEST = 0.01  # of the pruned network's time, from which a cost is a reason
_HARDLY = 0.5  # of what its MACs fell by: a layer whose time fell by less hardly fell
_MOST_NAMED, _LONGEST_NAME = 3, 60
_WIDE = 4  # times the multiple, from which on a width can be rounded to it


@dataclass(frozen=True)
class Reason:
    """One reason: the layers concerned, the most costly first, what it costs above the MACs' share, and a sentence.

    `ms` is by the profiler, `share` that of the pruned network's time there.
    """

    cause: Cause
    layers: tuple[str, ...]
    ms: float
    share: float
    sentence: str

    @property
    def title(self) -> str:
        return TITLES[self.cause]


@dataclass(frozen=True)
class Explanation:
    """What two profiles say: the account, its reasons with the most costly first, and the multiple that helps.

    `round_to` is None where widths are no reason. `answer` is one sentence on the whole.
    """

    account: Account
    reasons: tuple[Reason, ...]
    round_to: int | None
    answer: str


def explain(untouched: LayerProfile, pruned: LayerProfile, base_macs: Macs, macs: Macs) -> Explanation:
    """Why `pruned` takes the time it takes; the MACs are those of each layer by name."""
    account = make_account(untouched, pruned, base_macs, macs)
    multiple = preferred_multiple(pruned)
    ridge = ridge_of(untouched, pruned, account, base_macs)
    causes = [(_cause_of(layer, multiple, ridge), layer) for layer in account.layers if layer.excess > 0]
    words: dict[Cause, Callable[[Sequence[LayerAccount]], str]] = {
        "widths": lambda layers: _on_widths(layers, multiple, pruned),
        "memory": lambda layers: _on_memory(layers, ridge or 0.0),
        "depth": _on_depth,
    }
    reasons = [
        _of_layers(cause, [layer for of, layer in causes if of == cause], account, say) for cause, say in words.items()
    ]
    has_odd = any(of == "widths" for of, _ in causes)
    reasons += [_on_copies(account, pruned, has_odd), _on_operations(account), _on_unmapped(account, pruned)]
    found = sorted((each for each in reasons if each.share >= _SMALLEST), key=lambda each: -each.ms)
    odd = any(reason.cause == "widths" for reason in found)
    return Explanation(
        account,
        tuple(found),
        alignment(multiple, account.layers) if odd else None,
        _answer(untouched, pruned, account),
    )


def preferred_multiple(profile: LayerProfile) -> int:
    """The channels that the tool's kernels work on at a time: 16 in 8 bit, 8 in 16 bit, else a vector of the host's."""
    if profile.precision == "int8":
        return _INT8
    if profile.precision == "fp16":
        return _FP16
    return profile.vector or _ANY_GPU


def alignment(multiple: int, layers: Sequence[LayerAccount]) -> int:
    """The multiple to round widths to: 16 where the tool likes that and the network is wide enough, else 8."""
    widths = [layer.base_width[1] for layer in layers if layer.base_width is not None]
    return _INT8 if multiple >= _INT8 and min(widths, default=0) >= _WIDE * _INT8 else _FP16


def ridge_of(untouched: LayerProfile, pruned: LayerProfile, account: Account, base_macs: Macs) -> float | None:
    """MACs for each byte below which a layer waits for memory: the most MACs in a ms over the most bytes in one.

    Both are the best that the two profiles have seen; None where they do not know bytes.
    """
    rows = [row for profile in (untouched, pruned) for row in profile.layers if row.bytes and row.ms > 0]
    rates = [layer.macs / layer.ms for layer in account.layers if layer.ms > 0]
    rates += [layer.base_macs / layer.base_ms for layer in account.layers if layer.base_ms > 0]
    if not rows or not rates:
        return None
    return max(rates) / max((row.bytes or 0) / row.ms for row in rows)


def _cause_of(layer: LayerAccount, multiple: int, ridge: float | None) -> Cause | None:
    """Why a layer takes longer than its MACs account for; None where that is within what layers differ by."""
    if _odd_widths(layer, multiple):
        return "widths"
    if ridge is not None and layer.intensity is not None and layer.intensity < ridge:
        return "memory"
    fell, saved = 1 - layer.macs / max(layer.base_macs, 1), 1 - layer.ms / layer.base_ms if layer.base_ms else 0.0
    return "depth" if fell > 0 and saved < _HARDLY * fell else None


def _odd_widths(layer: LayerAccount, multiple: int) -> list[int]:
    """The widths that pruning left no multiple, where one was."""
    if layer.width is None or layer.base_width is None:
        return []
    pairs = zip(layer.base_width, layer.width, strict=True)
    return [width for base, width in pairs if width % multiple and not base % multiple]


def _of_layers(
    cause: Cause, layers: Sequence[LayerAccount], account: Account, say: Callable[[Sequence[LayerAccount]], str]
) -> Reason:
    costly = sorted(layers, key=lambda layer: -layer.excess)
    ms = sum(layer.excess for layer in costly)
    return _reason(cause, tuple(layer.name for layer in costly), ms, account, say(costly) if costly else "")


def _reason(cause: Cause, layers: tuple[str, ...], ms: float, account: Account, sentence: str) -> Reason:
    cost = max(0.0, ms)
    return Reason(cause, layers, cost, cost / account.ms if account.ms else 0.0, sentence)


def _on_widths(layers: Sequence[LayerAccount], multiple: int, pruned: LayerProfile) -> str:
    odd = _odd_widths(layers[0], multiple)[0]
    here = " here" * (pruned.vector is not None)
    return (
        f"{_named(layers)} {_have(layers)} widths that are no multiples of {multiple}, such as {odd}: kernels work on "
        f"{multiple} channels at a time{here}, so that part of their work is for nothing, or slower ones take over."
    )


def _on_memory(layers: Sequence[LayerAccount], ridge: float) -> str:
    return (
        f"{_named(layers)} {'does' if len(layers) == 1 else 'do'} fewer than {ridge:.1f} MACs for each byte moved, "
        "where this machine begins to wait for memory: fewer MACs hardly help as long as as many values come and go."
    )


def _on_depth(layers: Sequence[LayerAccount]) -> str:
    return (
        f"{_named(layers)} {_have(layers)} fewer MACs and hardly less time: what a layer costs by itself does not "
        "shrink with its width, and goes only with whole blocks."
    )


def _on_copies(account: Account, pruned: LayerProfile, has_odd: bool) -> Reason:
    base, ms = account.others.get("copy", (0.0, 0.0))
    why = ", as kernels for other widths than a multiple want values in another layout" * has_odd
    if pruned.precision == "int8":
        why = ", where 8 bit begin and end"
    sentence = f"{_ms(ms)} go into copies, {_ms(base)} in the untouched network{why}."
    return _reason("copies", (), account.excess_of("copy"), account, sentence)


def _on_operations(account: Account) -> Reason:
    base, ms = account.others.get("operation", (0.0, 0.0))
    sentence = (
        f"Additions, activations and pooling that run by themselves take {_ms(ms)}, {_ms(base)} in the untouched "
        "network: they have no MACs to lose, and what is fused with a layer there may run alone here."
    )
    return _reason("operations", (), account.excess_of("operation"), account, sentence)


def _on_unmapped(account: Account, pruned: LayerProfile) -> Reason:
    unknown, shared = account.others.get("unknown", (0.0, 0.0))[1], account.others.get(SHARED, (0.0, 0.0))[1]
    tool = one_line(pruned.tool, _LONGEST_NAME)
    parts = [f"{_ms(unknown)} have no name of the network's in the profile of {tool}"] * (unknown > 0)
    parts += [f"{_ms(shared)} are of layers that ran as one"] * (shared > 0)
    return _reason("unmapped", (), unknown + shared, account, f"{' and '.join(parts)}.")


def _answer(untouched: LayerProfile, pruned: LayerProfile, account: Account) -> str:
    whole = (untouched.latency_ms, pruned.latency_ms)
    base, ms = (whole[0], whole[1]) if whole[0] and whole[1] else (account.base_ms, account.ms)
    share = account.macs_share
    if not base or ms is None:
        return "The profiler timed nothing."
    ratio = ms / base
    head = f"{share:.2f}× the MACs take {ratio:.2f}× the time ({_ms(base)} → {_ms(ms)})"
    if ratio <= share * 1.02:
        return f"{head}: it is as fast as its MACs promise."
    return f"{head}, where the MACs alone would leave {_ms(base * share)}."


def _named(layers: Sequence[LayerAccount]) -> str:
    names = [one_line(layer.name, _LONGEST_NAME) for layer in layers[:_MOST_NAMED]]
    more = len(layers) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _have(layers: Sequence[LayerAccount]) -> str:
    return "has" if len(layers) == 1 else "have"


def _ms(milliseconds: float) -> str:
    return f"{units.three(milliseconds)} ms"
