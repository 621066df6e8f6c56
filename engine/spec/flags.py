"""The flags that mirror the spec: one table, read from flags to a spec and from a spec to flags. No torch."""

import inspect
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import RequestError
from engine.spec import messages
from engine.spec import run as run_spec


@dataclass(frozen=True)
class Flag:
    """A flag, the place in the spec it sets, and its help."""

    name: str
    kind: type
    place: tuple[str, ...]
    help: str

    @property
    def parameter(self) -> str:
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def option(self) -> str:
        """The flag as the command line declares it: one that is true or false can be said both ways."""
        return f"{self.name}/{self.negative}" if self.kind is bool else self.name

    @property
    def negative(self) -> str:
        return self.name.replace("--", "--no-", 1)

    def words(self, value: Any) -> list[str]:
        """The flag with `value`, as words of a command line."""
        if self.kind is bool:
            return [self.name if value else self.negative]
        return [self.name, _text(value)]


FLAGS = (
    Flag("--model", str, ("model",), "a name from `models`"),
    Flag("--weights", str, ("weights",), "none, hub or a checkpoint file"),
    Flag("--data", str, ("data", "name"), "a name from `datasets`, folder:PATH or npz:PATH"),
    Flag("--data-root", str, ("data", "root"), "where downloaded data lies"),
    Flag("--limit", int, ("data", "limit"), "at most so many images of each split"),
    Flag("--val-fraction", float, ("data", "val_fraction"), "share of train that becomes the validation split"),
    Flag("--criterion", str, ("criterion",), "a name from `criteria`, or several joined by +"),
    Flag("--order", str, ("order",), " | ".join(run_spec.ORDERS)),
    Flag("--depth", str, ("depth", "method"), "one-shot | direct: measure every block's removal, one at a time"),
    Flag("--floor", float, ("depth", "floor"), "direct ends before validation accuracy would fall below this"),
    Flag("--width", str, ("width", "method"), "one-shot | progressive: attempt, select, prune, repeat"),
    Flag("--attempt-fraction", float, ("width", "attempt_fraction"), "share of a layer's channels in one attempt"),
    Flag("--layers-per-step", float, ("width", "layers_per_step"), "share of the layers that a progressive step cuts"),
    Flag("--select", str, ("width", "select"), "smallest rise per unit saved, or smallest rise: per-saving | rise"),
    Flag("--least-share", float, ("width", "least_share"), "share of a layer's channels that always stays"),
    Flag("--measure", str, ("attempt", "measure"), "of an attempt: accuracy | loss | divergence | cka"),
    Flag("--race", bool, ("attempt", "race"), "drop attempts early that can no longer be among the best"),
    Flag("--scope", str, ("width", "scope"), "rank channels over the whole network or in each layer: global | uniform"),
    Flag("--round-to", int, ("width", "round_to"), "widths become multiples of this"),
    Flag("--keep", str, ("target", "keep"), "ratios to keep, each in (0, 1]"),
    Flag("--metric", str, ("target", "metric"), "what the ratios are of: macs | params | latency"),
    Flag("--latency-table", str, ("target", "latency_table"), "a machine's layer latencies, from `table`"),
    Flag("--depth-share", float, ("target", "depth_share"), "0 channels only … 1 layers only"),
    Flag("--train-epochs", int, ("train", "epochs"), "epochs of the baseline"),
    Flag("--train-lr", float, ("train", "lr"), "its learning rate"),
    Flag("--batch-size", int, ("train", "batch_size"), "images per step"),
    Flag("--weight-decay", float, ("train", "weight_decay"), "in training and in recovery"),
    Flag("--label-smoothing", float, ("train", "label_smoothing"), "of the baseline's training"),
    Flag("--recover-epochs", int, ("recover", "epochs"), "epochs of fine-tuning after a cut"),
    Flag("--recover-lr", float, ("recover", "lr"), "its learning rate"),
    Flag("--recover-between", bool, ("recover", "between_phases"), "fine-tune after each phase, or the last one only"),
    Flag("--distil", bool, ("recover", "distil"), "fine-tune on the untouched baseline's outputs, too"),
    Flag("--temperature", float, ("recover", "temperature"), "of the outputs that are compared in distillation"),
    Flag("--distil-weight", float, ("recover", "distil_weight"), "the teacher's part of the loss, in (0, 1]"),
    Flag("--step-batches", int, ("recover", "between_steps_batches"), "batches of fine-tuning after each step"),
    Flag("--recover-bn", bool, ("recover", "reestimate_bn"), "measure batch norm statistics anew before fine-tuning"),
    Flag("--int8", bool, ("int8",), "quantise each target's network as one more point"),
    Flag("--seed", str, ("seed",), "a whole number; submit takes several, such as 0,1,2"),
    Flag("--device", str, ("device",), "auto | cpu | cuda"),
)
_SAID_ALWAYS = ("--model", "--data", "--criterion", "--order")  # what a reader of the command wants to see
SpecFile = Annotated[Path | None, typer.Option("--spec", help="a JSON file with a spec; flags override it")]
Asked = list[dict[str, Any]]


def with_spec_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command(asked, …)` the flags above: `asked` becomes one mapping for each seed, the spec file's with the
    given flags put in."""

    def with_flags(**given: Any) -> None:
        spec_file = given.pop("spec_file")
        asked = run_spec.load(spec_file) if spec_file else {}
        several = given.pop("seed")
        for flag in FLAGS:
            value = given.pop(flag.parameter, None)
            if value is not None:
                _put(asked, flag.place, _ratios(value) if flag.name == "--keep" else value)
        command([{**asked, "seed": seed} for seed in _seeds(several)] if several is not None else [asked], **given)

    defaults = run_spec.RunSpec().model_dump(mode="json")
    options = [_option("spec_file", SpecFile)]
    options += [_option(flag.parameter, _annotation(flag, _at(defaults, flag.place))) for flag in FLAGS]
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(command).parameters.values() if p.name != "asked"]
    with_flags.__signature__ = inspect.Signature([*options, *own])  # type: ignore[attr-defined]
    with_flags.__doc__, with_flags.__name__ = command.__doc__, command.__name__
    return with_flags


def command_line(verb: str, asked: run_spec.RunSpec, seeds: Sequence[int] | None = None) -> str:
    """The shell command that asks for the same: only what differs from the defaults, and the model, data and method.

    `seeds` may name several. What no flag can say is given as a spec on standard input.
    """
    defaults, values = run_spec.RunSpec().model_dump(mode="json"), asked.model_dump(mode="json")
    if seeds is not None:
        values["seed"] = list(seeds)
    words = ["espalier", verb]
    normalize = values["data"]["normalize"]
    if normalize is not None:
        words += ["--spec", "/dev/stdin"]
    for flag in FLAGS:
        value = _at(values, flag.place)
        if value != _at(defaults, flag.place) or flag.name in _SAID_ALWAYS:
            words += flag.words(value)
    if normalize is None:
        return shlex.join(words)
    return f"echo {shlex.quote(json.dumps({'data': {'normalize': normalize}}))} | {shlex.join(words)}"


def _option(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _annotation(flag: Flag, default: Any) -> Any:
    usual = flag.words(default)[-1].removeprefix("--") if default is not None else False
    return Annotated[flag.kind | None, typer.Option(flag.option, help=flag.help, show_default=usual)]


def _put(asked: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    """Set one place of a nested mapping."""
    *parents, last = place
    for parent in parents:
        asked = asked.setdefault(parent, {})
        if not isinstance(asked, dict):
            raise RequestError(f"{parent} in the spec file must be an object (got {messages.quote(asked)})")
    asked[last] = value


def _at(values: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    for part in place:
        values = values[part]
    return values


def _text(value: Any) -> str:
    """A value as `float` or `int` reads it back exactly."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def _ratios(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise RequestError(
            f"--keep takes numbers joined by commas, such as 0.8,0.6,0.4 (got {messages.quote(text)})"
        ) from None


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise RequestError(
            f"--seed takes whole numbers joined by commas, such as 0,1,2 (got {messages.quote(text)})"
        ) from None
    if len(set(seeds)) != len(seeds):
        raise RequestError(f"--seed names one twice (got {messages.quote(text)}); a run is the same for the same seed")
    return seeds
