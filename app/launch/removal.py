"""The launch form's widgets for what is removed and how; only those that matter for the choices so far."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, get_args

import streamlit as st

from app import text
from app.launch import fields
from app.methods import deck
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.run import ORDERS, Measure

_DEFAULT = specs.RunSpec()
_MEASURES: tuple[str, ...] = get_args(Measure)
METHOD_DEFAULT = "own"  # the spec leaves the measure out, so that each method takes its own
CRITERIONS_OWN = "own"
_RANKS = {"score": "score", "per-saving": "score per saving"}
_METHODS = {"one-shot": "One-shot", "direct": "Direct", "progressive": "Progressive"}


@dataclass(frozen=True)
class Method:
    """One way to remove: an order, with the method of each of its phases."""

    order: str
    depth: str
    width: str

    @property
    def iterates(self) -> bool:
        """Whether some phase removes a little at a time."""
        return self.order == "alternate" or (self.depth, self.width) != ("one-shot", "one-shot")

    @property
    def by_measure(self) -> bool:
        """Whether blocks are removed by a measure alone, in the place of a criterion."""
        return self.order == "layers" and self.depth == "direct"

    @property
    def splits(self) -> bool:
        """Whether a cut is split between layers and channels."""
        return len(specs.phases_of(self.order)) > 1


@dataclass(frozen=True)
class Removal:
    """What to remove and how: the methods, and what selects; with the settings that only some of the methods have."""

    methods: tuple[Method, ...]
    criteria: tuple[str, ...]
    measures: tuple[str, ...]
    ensemble: bool
    kept_layers: list[str] | None = None
    floor: Any = None
    channels: dict[str, Any] = field(default_factory=dict)  # of all that removes channels
    one_shot: dict[str, Any] = field(default_factory=dict)
    progressive: dict[str, Any] = field(default_factory=dict)
    measure: str | None = None
    race: bool = False

    @property
    def iterates(self) -> bool:
        """Whether any of the methods removes a little at a time."""
        return any(method.iterates for method in self.methods)

    def settings(self, method: Method) -> dict[str, Any]:
        """The keys of the spec for one of the methods."""
        depth: dict[str, Any] = {"method": method.depth}
        if method.depth == "direct" and self.floor is not None:
            depth["floor"] = self.floor
        width: dict[str, Any] = {"method": method.width}
        if method.order != "layers":
            width |= self.channels | (self.progressive if method.width == "progressive" else self.one_shot)
        settings: dict[str, Any] = {"order": method.order, "depth": depth, "width": width}
        if method.iterates:
            settings["attempt"] = {"race": self.race}
            if not method.by_measure and self.measure is not None:
                settings["attempt"]["measure"] = self.measure
        return settings


def methods_of(orders: Iterable[str], depths: Sequence[str], widths: Sequence[str]) -> tuple[Method, ...]:
    """The different ways that orders and methods make together: a method counts where its phase occurs."""
    found: list[Method] = []
    for order in orders:
        phases = specs.phases_of(order)
        of_depth = depths if "layers" in phases else ("one-shot",)
        of_width = widths if "channels" in phases else ("one-shot",)
        found += [Method(order, depth, width) for depth, width in product(of_depth, of_width)]
    return tuple(dict.fromkeys(found))


def draw(head: Any) -> Removal:
    """The criteria, the orders and each phase's methods; the popover in `head` holds the rest."""
    criteria_place = st.container(gap="xsmall")
    orders = st.multiselect(
        "Orders",
        ORDERS,
        default=[_DEFAULT.order],
        format_func=text.order_label,
        key="launch_order",
        persist_state="session",
        help="Whole layers, channels, one after the other, or step by step whichever hurts less. One run each. "
        f"{deck.links(ORDERS)}",
    )
    phases = {phase for order in orders for phase in specs.phases_of(order)}
    depths = widths = ["one-shot"]
    with st.container(horizontal=True, gap="small"):
        if "layers" in phases:
            depths = _methods("Layers", "direct", "Direct measures what each layer's removal costs, one by one.")
        if "channels" in phases:
            widths = _methods("Channels", "progressive", "Progressive tries a few of every layer, step by step.")
    methods = methods_of(orders, depths, widths)
    criteria: list[str] = []
    measures: list[str] = []
    ensemble = False
    with criteria_place:
        if any(method.by_measure for method in methods):
            measures = _measures()
        if not methods or not all(method.by_measure for method in methods):
            criteria = _criteria(only_blocks=set(orders) == {"layers"})
            ensemble = len(criteria) > 1 and _ensemble()
    choice = Removal(methods, tuple(criteria), tuple(measures), ensemble)
    with head.popover("Method", icon=":material/tune:", type="tertiary"):
        return _with_details(choice)


def _with_details(choice: Removal) -> Removal:
    """The same with the numbers and switches that its methods have."""
    details: dict[str, Any] = {}
    if any(method.depth == "direct" for method in choice.methods):
        details["floor"] = _floor()
    widths = {method.width for method in choice.methods if method.order != "layers"}
    if "progressive" in widths:
        details["progressive"] = _progressive()
    if "one-shot" in widths:
        details["one_shot"] = _scope(choice)
    if widths:
        details["channels"] = {"least_share": _least_share(), "round_to": _round_to()}
    details["kept_layers"] = _kept_layers()
    return _replace(choice, **details, **(_attempt(choice) if choice.iterates else {}))


def _replace(choice: Removal, **details: Any) -> Removal:
    return Removal(choice.methods, choice.criteria, choice.measures, choice.ensemble, **details)


def _criteria(*, only_blocks: bool) -> list[str]:
    names = [name for name, criterion in CRITERIA.items() if only_blocks or criterion.scope != "blocks"]
    return st.multiselect(
        "Criteria",
        names,
        default=[_DEFAULT.criterion],
        format_func=text.criterion_label,
        key="launch_criteria",
        persist_state="session",
        help=f"What decides how much a channel or a layer matters. One run each. {deck.links(names)}",
    )


def _measures() -> list[str]:
    return st.multiselect(
        "Measures",
        [specs.criterion_of(measure) for measure in get_args(Measure)],
        default=["accuracy"],
        format_func=text.criterion_label,
        key="launch_measures",
        persist_state="session",
        help="What direct removal measures without each layer; the one that is missed least goes. One run each.",
    )


def _ensemble() -> bool:
    return st.toggle(
        "Join them into one",
        key="launch_ensemble",
        persist_state="session",
        help="One run that ranks by all of them together.",
    )


def _methods(what: str, iterative: str, explanation: str) -> list[str]:
    return st.segmented_control(
        what,
        ["one-shot", iterative],
        selection_mode="multi",
        default=["one-shot"],
        format_func=_METHODS.__getitem__,
        key=f"launch_{what.lower()}",
        persist_state="session",
        help=f"One-shot looks once and removes everything. {explanation} Both: a run each.",
    )


def _floor() -> Any:
    return fields.per_cent(
        "Stop below this validation accuracy, %",
        None,
        "launch_floor",
        "depth.floor",
        "the accuracy to stop below",
        placeholder="never",
    )


def _kept_layers() -> list[str] | None:
    rules = st.text_input(
        "Layers that stay",
        placeholder="conv1, layer1.*, layer2.*=0.5",
        key="launch_kept_layers",
        persist_state="session",
        help="Names of layers and blocks; * is any text. With =0.5 a layer keeps at least that share of its channels.",
    )
    return [rule.strip() for rule in rules.split(",")] if rules.strip() else None


def _scope(choice: Removal) -> dict[str, Any]:
    scope = st.segmented_control(
        "Compare channels",
        ["global", "uniform"],
        default="global",
        required=True,
        key="launch_scope",
        persist_state="session",
        format_func={"global": "Across layers", "uniform": "Within each layer"}.__getitem__,
    )
    return {"scope": scope, **(_rank(choice) if scope == "global" else {})}


def _rank(choice: Removal) -> dict[str, Any]:
    names: Sequence[str] = ["+".join(choice.criteria)] if choice.ensemble else choice.criteria
    own = {catalog.rank_of(name, None) for name in names}
    rank = st.selectbox(
        "Rank channels by",
        [CRITERIONS_OWN, "score", "per-saving"],
        format_func={
            CRITERIONS_OWN: "the criterion's own" + (f": {_RANKS[own.pop()]}" if len(own) == 1 else ""),
            **_RANKS,
        }.__getitem__,
        key="launch_rank",
        persist_state="session",
        help="Per saving weighs what a channel matters against what it frees of the metric.",
    )
    return {} if rank == CRITERIONS_OWN else {"rank": rank}


def _progressive() -> dict[str, Any]:
    default = _DEFAULT.width
    with st.grid(2, gap="small", min_column_width=120):
        fraction = fields.number(
            "Channels tried", default.attempt_fraction, "launch_fraction", help="Share of a layer's channels."
        )
        layers = fields.number(
            "Layers cut a step", default.layers_per_step, "launch_per_step", help="Share of those tried."
        )
        select = st.selectbox(
            "Rank by",
            ["per-saving", "rise"],
            format_func={"per-saving": "harm per saving", "rise": "harm"}.__getitem__,
            key="launch_select",
            persist_state="session",
        )
    return {"attempt_fraction": fraction, "layers_per_step": layers, "select": select}


def _least_share() -> Any:
    explanation = "Share of a layer's channels that stays."
    return fields.number("Always kept", _DEFAULT.width.least_share, "launch_least", help=explanation)


def _round_to() -> Any:
    return fields.whole("Keep multiples of", _DEFAULT.width.round_to, "launch_round")


def _attempt(choice: Removal) -> dict[str, Any]:
    """How attempts are judged, where measures do not stand in the place of criteria; and whether they race."""
    iterative = [method for method in choice.methods if method.iterates]
    judges = set(choice.measures) if any(method.by_measure for method in iterative) else set()
    details: dict[str, Any] = {}
    if not all(method.by_measure for method in iterative):
        measure = st.selectbox(
            "Judge attempts by",
            [METHOD_DEFAULT, *_MEASURES],
            format_func=lambda name: "the method's own" if name == METHOD_DEFAULT else text.measure_label(name),
            key="launch_measure",
            persist_state="session",
            help="Of its own accord direct takes accuracy, the others take the loss.",
        )
        details["measure"] = None if measure == METHOD_DEFAULT else measure
        judges.add(measure)
    if not {"cka", "reconstruction", "obs"} & judges:  # no means over images
        details["race"] = st.toggle(
            "Race",
            key="launch_race",
            persist_state="session",
            help="Attempts are dropped early once they can no longer be among the best. The choice is the same.",
        )
    return details
