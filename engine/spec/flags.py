"""The flags of the commands: from the settings of a model, read to a spec and written from one. No torch."""

import inspect
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic import BaseModel

from engine.errors import RequestError
from engine.spec import messages
from engine.spec import run as run_spec
from engine.spec.board_timing import TimingRequest
from engine.spec.parts import RecoverSpec
from engine.spec.settings import SpecField, arrange, is_list, is_list_of_text, plain_types, settings_of, value_at

# As the help lists them; a setting that is not named follows the one that it is declared after.
_HELP_ORDER = """
    model weights data.name data.root data.limit data.val_fraction data.normalize data.image_size
    data.labels criterion order
    depth.method depth.floor width.method width.attempt_fraction width.layers_per_step width.select width.least_share
    attempt.measure attempt.race width.scope width.round_to keep_layers
    target.keep target.lose target.at_least target.also_criteria target.also_depth_shares
    target.metric target.latency_table target.depth_share
    train.epochs train.lr train.batch_size train.weight_decay train.label_smoothing
    recover.reconstruct recover.calibration_images recover.ridge
    recover.epochs recover.lr recover.between_phases recover.distil recover.temperature recover.distil_weight
    recover.between_steps_batches recover.reestimate_bn int8 seed device
"""
_ALWAYS_SHOWN = ("--model", "--data", "--criterion", "--order")  # what a reader of the command wants to see


@dataclass(frozen=True)
class Flag:
    """A flag, and the setting that it sets."""

    name: str
    field: SpecField

    @property
    def repeats(self) -> bool:
        """Whether the command line may have it several times, for a list of texts."""
        return is_list_of_text(self.field.annotation)

    @property
    def kind(self) -> Any:
        """What the command line reads: numbers and switches as such, lists and names as text."""
        if self.repeats:
            return list[str]
        if self.field.setting.several or is_list(self.field.annotation) or self._takes_lists:
            return str
        kinds = set(plain_types(self.field.annotation)) - {type(None)}
        return kinds.pop() if kinds in ({bool}, {int}, {float}) else str

    @property
    def parameter(self) -> str:
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def negative(self) -> str:
        return self.name.replace("--", "--no-", 1)

    def read(self, value: Any) -> Any:
        """The setting's value for what the command line read; RequestError when the text is none."""
        if self.repeats:
            return [part.strip() for text in value for part in text.split(",")]
        if is_list(self.field.annotation):
            return self._numbers(value)
        if self._takes_lists and value.lstrip().startswith("["):
            return self._json(value)
        return value

    def words(self, value: Any) -> list[str]:
        """The flag with `value`, as words of a command line."""
        if self.kind is bool:
            return [self.name if value else self.negative]
        if isinstance(value, list) and self._takes_lists and not self.repeats:
            return [self.name, json.dumps(value)]
        return [self.name, _text(value)]

    @property
    def _takes_lists(self) -> bool:
        """Whether a list is one of the things that the setting may be, besides a name."""
        return any(map(is_list, get_args(self.field.annotation)))

    def _numbers(self, text: str) -> list[float]:
        try:
            return [float(part) for part in text.split(",")]
        except ValueError:
            example = "" if not self.field.default else f", such as {_text(self.field.default)}"
            sentence = f"{self.name} takes numbers joined by commas{example} (got {messages.quote(text)})"
            raise RequestError(sentence, field=self.field.name) from None

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            sentence = f"{self.name} takes a name or a list in JSON (got {messages.quote(text)})"
            raise RequestError(sentence, field=self.field.name) from None


def flags_of(model: type[BaseModel], order: str = "") -> tuple[Flag, ...]:
    """The flags of a model's settings, in the `order` of their names, else as declared."""
    return tuple(Flag(field.flag, field) for field in arrange(settings_of(model), order) if field.flag is not None)


FLAGS = flags_of(run_spec.RunSpec, _HELP_ORDER)
TIMING_FLAGS = flags_of(TimingRequest)
SpecFile = Annotated[Path | None, typer.Option("--spec", help="a JSON file with a spec; flags override it")]
Requests = list[dict[str, Any]]
Arguments = dict[str, Any]
ReadSpec = Callable[[Path], dict[str, Any]]
EnterModel = Callable[[str], str]


def with_spec_flags(
    read_spec: ReadSpec, enter_model: EnterModel = str, flags: Sequence[Flag] = FLAGS
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give `command(requests, …)` the `flags`, a run's: one mapping for each seed, the spec file's, as `read_spec`
    reads it, with the flags of the command line put in. `enter_model` hears which model the flags name, and what it
    returns is taken: code is run for who names it in a terminal, not for a spec file, nor a form (`--name-field`)."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def with_flags(**arguments: Any) -> None:
            spec_file = arguments.pop("spec_file")
            if arguments.get("model") is not None and not arguments.get("name_field"):
                arguments["model"] = enter_model(arguments["model"])
            command(_requests(read_spec(spec_file) if spec_file else {}, arguments, flags), **arguments)

        options = [_option("spec_file", SpecFile, None)]
        options += [_option(flag.parameter, _spec_annotation(flag), None) for flag in flags]
        return _declared(command, with_flags, "requests", options)

    return decorate


def _requests(request: dict[str, Any], arguments: Arguments, flags: Sequence[Flag]) -> Requests:
    """A request for each seed, with the values of all flags, which are taken out of the arguments."""
    seeds: list[int] | None = None
    for flag in flags:
        value = arguments.pop(flag.parameter, None)
        if value is None:
            continue
        if flag.field.setting.several:
            seeds = _seeds(value)
        else:
            _put(request, flag.field.place, flag.read(value))
    return [request] if seeds is None else [{**request, "seed": seed} for seed in seeds]


def with_timing_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command(…, settings, …)` the flags of a timing: `settings` becomes one mapping with all of them."""

    def with_flags(**arguments: Any) -> None:
        settings = {flag.field.place[-1]: flag.read(arguments.pop(flag.parameter)) for flag in TIMING_FLAGS}
        command(settings=settings, **arguments)

    options = [_option(flag.parameter, _timing_annotation(flag), flag.field.default) for flag in TIMING_FLAGS]
    return _declared(command, with_flags, "settings", options)


def command_line(
    verb: str, spec: run_spec.RunSpec, seeds: Sequence[int] | None = None, experiment: str | None = None
) -> str:
    """The shell command that asks for the same: only what differs from the defaults, and the model, data and method.

    `seeds` may name several, which may be part of an experiment of that name.
    """
    values = spec.model_dump(mode="json")
    if seeds is not None:
        values["seed"] = list(seeds)
    # Some defaults hang on another setting.
    usual = run_spec.RunSpec(recover=RecoverSpec(reconstruct=spec.recover.reconstruct)).model_dump(mode="json")
    name = [] if experiment is None else ["--experiment", experiment]
    return shlex.join(["espalier", verb, *words_of(FLAGS, values, usual), *name])


def words_of(flags: Sequence[Flag], values: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """The flags as words of a command line: those whose value is not the `usual` one, and what a reader wants to see.

    `values` are those of a request, as JSON has them.
    """
    words: list[str] = []
    for flag in flags:
        value = value_at(values, flag.field.place)
        if value == []:  # no flag says that there are none
            continue
        if flag.name in _ALWAYS_SHOWN or value != flag.field.default or value != value_at(usual, flag.field.place):
            words += flag.words(value)
    return words


def _declared(
    command: Callable[..., None], wrapper: Callable[..., None], parameter: str, options: list[inspect.Parameter]
) -> Callable[..., None]:
    """`wrapper` with the signature of `command`, in which `options` stand in the place of one parameter."""
    signature: list[inspect.Parameter] = []
    for existing in inspect.signature(command).parameters.values():
        signature += options if existing.name == parameter else [existing.replace(kind=existing.KEYWORD_ONLY)]
    wrapper.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    wrapper.__doc__, wrapper.__name__ = command.__doc__, command.__name__
    return wrapper


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _spec_annotation(flag: Flag) -> Any:
    """A flag that may be left out, so that a spec file speaks; a switch can be said both ways, to override one."""
    default = flag.field.default
    default_text = flag.words(default)[-1].removeprefix("--") if default is not None else False
    name = f"{flag.name}/{flag.negative}" if flag.kind is bool else flag.name
    # The usual <list[str]> is so wide that the help would cut the names of other flags.
    shown = "<str>" if flag.repeats else None
    option = typer.Option(name, help=flag.field.setting.help, show_default=default_text, metavar=shown)
    return Annotated[flag.kind | None, option]


def _timing_annotation(flag: Flag) -> Any:
    kind: Any = flag.kind if flag.field.default is not None else flag.kind | None
    name = f"{flag.name}/{flag.negative}" if flag.kind is bool else flag.name
    return Annotated[kind, typer.Option(name, help=flag.field.setting.help)]


def _put(request: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    """Set one place of a nested mapping."""
    *parents, last = place
    for parent in parents:
        request = request.setdefault(parent, {})
        if not isinstance(request, dict):
            sentence = f"{parent} in the spec file must be an object (got {messages.quote(request)})"
            raise RequestError(sentence, field=parent)
    request[last] = value


def _text(value: Any) -> str:
    """A value as `float` or `int` reads it back exactly."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    shortest = f"{value:g}" if isinstance(value, float) else str(value)
    return shortest if not isinstance(value, float) or float(shortest) == value else repr(value)


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        sentence = f"--seed takes whole numbers joined by commas, such as 0,1,2 (got {messages.quote(text)})"
        raise RequestError(sentence, field="seed") from None
    if len(set(seeds)) != len(seeds):
        sentence = f"--seed names one twice (got {messages.quote(text)}); a run is the same for the same seed"
        raise RequestError(sentence, field="seed")
    return seeds
