"""The launch form filled in from a request: by a preset, or by a run that is to be edited and run again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import escape
from app.launch.fields import shown
from app.launch.removal import CRITERIONS_OWN, METHOD_DEFAULT
from app.launch.target import RATIOS, SHARES
from app.tables import gpu, store
from engine.errors import RequestError, WorkError
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.spec.settings import settings_of, value_at

SEEDS = list(range(5))
_KEPT, _LINES = "launch_kept", "launch_lines"  # in the session: what no field holds, and what is said of the filling
# Settings that the form has no field for, and those that it has one for only with some methods.
_NO_FIELD = ("data.normalize", "train.weight_decay", "train.label_smoothing", "recover.reestimate_bn")
_NO_FIELD_OF_STEPS = ("width.scope",)
# What an address may change of the run that it names: the parameter, and the setting that it is.
_CHANGES = {"round_to": ("width", "round_to"), "metric": ("target", "metric")}
State = dict[str, Any]


@dataclass(frozen=True)
class Lists:
    """What the form has lists of, where a request is one of several; of an empty one the request's own is taken."""

    criteria: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


NO_LISTS = Lists()


def state_of(spec: RunSpec, lists: Lists = NO_LISTS) -> State:
    """What every widget of the form holds for a request, by the key of the widget."""
    return {
        **_network(spec),
        **_data(spec),
        **_removal(spec, lists),
        **_target(spec),
        **_recovery(spec),
        "launch_int8": spec.int8,
        "launch_seeds": [seed if seed in SEEDS else str(seed) for seed in lists.seeds or (spec.seed,)],
        "launch_device": spec.device,
        "launch_experiment": "",
    }


def without_field(spec: RunSpec) -> dict[str, Any]:
    """What a request says that the form has no field for, where it is not the default; nested as a spec is."""
    names = (*_NO_FIELD, *(_NO_FIELD_OF_STEPS if spec.width.method == "progressive" else ()))
    request = spec.model_dump(mode="json")
    kept: dict[str, Any] = {}
    for field in settings_of(RunSpec):
        value = value_at(request, field.place)
        if field.name in names and value != field.default:
            part, name = field.place
            kept.setdefault(part, {})[name] = value
    return kept


def apply(state: Mapping[str, Any], lines: Sequence[str], kept: Mapping[str, Any] | None = None) -> None:
    """Puts values into the form's widgets, before they are drawn; `lines` say what was done."""
    for key, value in state.items():
        st.session_state[key] = value
    st.session_state[_KEPT] = dict(kept or {})
    st.session_state[_LINES] = list(lines)


def kept() -> dict[str, Any]:
    """What goes into every request although no field holds it."""
    values: dict[str, Any] = st.session_state.get(_KEPT, {})
    return values


def show_lines() -> None:
    """What was done when the form was filled in last."""
    for line in st.session_state.get(_LINES, ()):
        st.caption(line)


def from_address() -> None:
    """Fills the form in from the run that the address names, once; a later change of the form stays.

    The address may change of it what makes networks faster: the multiple of widths, and what its ratios are of.
    """
    run_id = st.query_params.get("run")
    if run_id is None:
        return
    del st.query_params["run"]
    changes = {name: st.query_params.pop(name) for name in _CHANGES if name in st.query_params}
    try:
        spec = changed(store.open_store().run(run_id).spec(), changes)
    except (RequestError, WorkError) as error:
        line = f":material/error: The form could not be filled in from that run: {escape.message(error)}."
        st.session_state[_LINES] = [line]
        return
    apply(state_of(spec), list(_lines_of(run_id, spec, changes)), without_field(spec))


def changed(spec: RunSpec, changes: Mapping[str, str]) -> RunSpec:
    """A request with what an address changes of it, by parameter; RequestError for what the engine refuses."""
    request = spec.model_dump(mode="json")
    for name, (part, setting) in _CHANGES.items():
        if name in changes:
            given = changes[name]
            request[part][setting] = int(given) if given.isascii() and given.isdigit() else given
    return specs.parse(request)


def _lines_of(run_id: str, spec: RunSpec, changes: Mapping[str, str]) -> Iterable[str]:
    words = {
        "round_to": f"with widths in multiples of {spec.width.round_to}",
        "metric": f"with {spec.target.metric} as what its ratios are of",
    }
    said = "".join(f", {words[name]}" for name in changes)
    yield (
        f":material/edit: As the run {escape.markdown(run_id)} was launched{said}. Change what you like, and press "
        "Prune."
    )
    kept_values = without_field(spec)
    if kept_values:
        headings = {field.name: field.heading for field in settings_of(RunSpec)}
        texts = [
            f"{headings[f'{part}.{name}']} {escape.markdown(value)}"
            for part, values in kept_values.items()
            for name, value in values.items()
        ]
        yield f"Kept from it, without a field here: {', '.join(texts)}."
    if spec.device == "cuda" and not gpu.is_there():
        yield "It ran on a GPU, which this computer has none of: the form says the best there is."


def _network(spec: RunSpec) -> State:
    default = RunSpec().train
    given = spec.weights != "none"
    is_file = spec.weights not in ("none", "hub")
    return {
        "launch_model": spec.model,
        "launch_weights": "file" if is_file else spec.weights,
        "launch_file": spec.weights if is_file else "",
        "launch_epochs_True": shown(default.epochs if given else spec.train.epochs),
        "launch_epochs_False": shown(spec.train.epochs if given else 0),
        "launch_lr": shown(spec.train.lr),
        "launch_batch": shown(spec.train.batch_size),
    }


def _data(spec: RunSpec) -> State:
    halves = catalog.halves(spec.data.name)
    size = spec.data.image_size
    state: State = {
        "launch_target": "none",
        "launch_labels": spec.data.labels or "",
        "launch_root": spec.data.root or "",
        "launch_size": "" if size is None else "x".join(map(str, size)) if isinstance(size, tuple) else str(size),
        "launch_limit": shown(spec.data.limit),
        "launch_val": shown(spec.data.val_fraction),
        "launch_adversarial": spec.transfer.adversarial,
        "launch_pseudo_labels": spec.transfer.pseudo_labels,
        "launch_adapt": shown(spec.transfer.adapt_epochs),
        "launch_confidence": shown(spec.transfer.confidence),
        "launch_refresh": shown(spec.transfer.refresh),
        "launch_balance": spec.transfer.balance,
    }
    for half, key, path_key in zip(halves, ("data", "target"), ("path", "target_path"), strict=False):
        prefix = catalog.prefix_of(half)
        state[f"launch_{key}"] = prefix or half
        if prefix:
            state[f"launch_{path_key}_{prefix}"] = half.removeprefix(prefix)
    return state


def _removal(spec: RunSpec, lists: Lists) -> State:
    by_measure = spec.order == "layers" and spec.depth.method == "direct"
    named = lists.criteria or (spec.criterion, *spec.target.also_criteria)
    default = RunSpec().criterion
    floor = spec.depth.floor
    measure = None if by_measure else spec.attempt.measure
    return {
        "launch_order": list(lists.orders or (spec.order,)),
        "launch_layers": [spec.depth.method],
        "launch_channels": [spec.width.method],
        "launch_criteria": [default] if by_measure else [part for name in named for part in name.split("+")],
        "launch_measures": list(named) if by_measure else ["accuracy"],
        "launch_ensemble": any("+" in name for name in named),
        "launch_floor": "" if floor is None else shown(round(100 * floor, 9)),
        "launch_round": shown(spec.width.round_to),
        "launch_kept_layers": ", ".join(spec.keep_layers or ()),
        "launch_scope": spec.width.scope,
        "launch_rank": spec.width.rank or CRITERIONS_OWN,
        "launch_fraction": shown(spec.width.attempt_fraction),
        "launch_per_step": shown(spec.width.layers_per_step),
        "launch_least": shown(spec.width.least_share),
        "launch_select": spec.width.select,
        "launch_measure": measure or METHOD_DEFAULT,
        "launch_race": spec.attempt.race,
    }


def _target(spec: RunSpec) -> State:
    target = spec.target
    shares = (target.depth_share, *target.also_depth_shares)
    at_least = target.at_least
    return {
        "launch_question": "accuracy" if target.asks_accuracy else "ratios",
        "launch_keep": _options(target.keep or specs.TargetSpec().keep, RATIOS, "×"),
        "launch_wish": "lose" if at_least is None else "at_least",
        "launch_lose": shown(1.0 if target.lose is None else target.lose),
        "launch_at_least": shown(90.0 if at_least is None else round(100 * at_least, 9)),
        "launch_metric": target.metric,
        "launch_smallest_by": target.metric,
        "launch_table": target.latency_table or "",
        "launch_share": target.depth_share,
        "launch_shares": _options(shares, SHARES, ""),
    }


def _options(values: Iterable[float], known: Sequence[float], unit: str) -> list[float | str]:
    """Entries of a list that takes typed ones, too: those are texts."""
    return [value if value in known else f"{shown(value)}{unit}" for value in values]


def _recovery(spec: RunSpec) -> State:
    recover, other = spec.recover, specs.parse({"recover": {"reconstruct": not spec.recover.reconstruct}}).recover
    gentle, plain = (recover.lr, other.lr) if recover.reconstruct else (other.lr, recover.lr)
    return {
        "launch_recover": shown(recover.epochs),
        "launch_rlr": shown(gentle),
        "launch_rlr_plain": shown(plain),
        "launch_reconstruct": recover.reconstruct,
        "launch_distil": recover.distil,
        "launch_calibration": shown(recover.calibration_images),
        "launch_ridge": shown(recover.ridge),
        "launch_batches": shown(recover.between_steps_batches),
        "launch_temperature": shown(recover.temperature),
        "launch_teacher": shown(recover.distil_weight),
        "launch_between": recover.between_phases,
    }
