"""What loading decided: said before anything is trained, and kept with the run."""

from dataclasses import dataclass, replace
from pathlib import Path

from engine.data.load import Data
from engine.graph.summary import ModelSummary
from engine.pipeline.start.inputs import RunInputs, as_trained, check_strange_network, has_new_head, load_network
from engine.spec import catalog
from engine.spec.messages import as_text
from engine.spec.run import RunSpec
from engine.zoo import hub
from engine.zoo.makers import published_for

_MOST_NAMED = 3  # layers, or blocks


@dataclass(frozen=True)
class Decisions:
    """The summary of the network that a request leads to, what was decided on the way, and whether its head is new."""

    summary: ModelSummary
    data: Data
    notes: tuple[str, ...]
    new_head: bool


def decisions(spec: RunSpec, results: Path) -> Decisions:
    """What a run would decide; RequestError when data and network do not fit together. Nothing is downloaded for it."""
    inputs = _as_published(spec, results) if spec.weights == "hub" else load_network(spec, results)
    structure = inputs.network.structure
    check_strange_network(spec, inputs)
    return Decisions(structure.summary, inputs.data, notes(spec, inputs), has_new_head(spec, inputs.zoo_model))


def _as_published(spec: RunSpec, results: Path) -> RunInputs:
    """The network of published weights without these: they are known by what they were published for."""
    published = hub.published(spec.model)
    variant = f"{spec.model}-a" if f"{spec.model}-a" in catalog.CIFAR_MODELS else spec.model
    inputs = load_network(spec.model_copy(update={"model": variant, "weights": "none"}), results)
    theirs, ours = published_for(spec.model)[1], len(inputs.data.classes)
    said = (*inputs.zoo_model.notes, "hub weights, downloaded when a run starts")
    said += (f"head replaced: {theirs} → {ours} classes",) if theirs != ours else ()
    zoo_model = replace(inputs.zoo_model, notes=said, normalize=published.normalize, pretrained=theirs == ours)
    return replace(inputs, data=as_trained(spec, inputs.data, zoo_model), zoo_model=zoo_model)


def notes(spec: RunSpec, inputs: RunInputs) -> tuple[str, ...]:
    """What was decided for a run, a sentence each, without full stop."""
    structure, zoo_model = inputs.network.structure, inputs.zoo_model
    head = (f"the head is new: {_epochs(spec)} before pruning",) if has_new_head(spec, zoo_model) else ()
    of_network = (*zoo_model.notes, *head, *structure.trace.notes, *_not_pruned(spec, structure.summary))
    return tuple(dict.fromkeys((*inputs.data.notes, _normalization(spec, inputs), *of_network)))


def _epochs(spec: RunSpec) -> str:
    return "1 epoch" if spec.train.epochs == 1 else f"{spec.train.epochs:,} epochs"


def _normalization(spec: RunSpec, inputs: RunInputs) -> str:
    """What is taken off the images and divided by, and who said so."""
    if spec.data.normalize is not None:
        source = "as asked"
    elif inputs.zoo_model.normalize:
        source = "the weights' own"
    else:
        source = "as usual for this data (--normalize changes that)"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (inputs.data.mean, inputs.data.std))
    return f"normalised by mean {mean} and deviation {std}, {source}"


def _not_pruned(spec: RunSpec, summary: ModelSummary) -> list[str]:
    """Which layers keep all their outputs and which blocks stay, where the order would remove such, and why."""
    phases, said = "-".join(spec.phases()), _kept_as_asked(spec)
    if "channels" in phases or "alternate" in phases:
        groups = summary.channel_groups
        kept = [x.name for x in summary.layers if not any(groups[group].removable for group, _ in x.outs)]
        head = kept[-1:] if kept[-1:] == [summary.layers[-1].name] else []
        said += [f"layer {name} keeps its {summary.classes:,} outputs, which are the classes" for name in head]
        others = kept[: len(kept) - len(head)]
        verb = "layer keeps all its" if len(others) == 1 else "layers keep all their"
        said += _listed(f"{verb} outputs, which the network's input, output or code fixes", others)
    if "layers" in phases or "alternate" in phases:
        staying = [f"{block.name} ({block.why})" for block in summary.blocks if not block.removable]
        said += _listed(f"of {len(summary.blocks)} blocks {'has' if len(staying) == 1 else 'have'} to stay", staying)
    return said


def _kept_as_asked(spec: RunSpec) -> list[str]:
    said = [f"kept as asked (--keep-layer): {', '.join(map(as_text, spec.keep_layers))}"] if spec.keep_layers else []
    share = spec.width.least_share
    return said + ([f"every layer keeps {share:.0%} of its channels, as asked"] if share else [])


def _listed(what: str, names: list[str]) -> list[str]:
    """One sentence about some names, the first few of them; none about none."""
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [f"{len(names)} {what}: {', '.join(names[:_MOST_NAMED])}{more}"]
