"""Carrying a network over to another domain: what goes along with it, and by which images it is judged.

Attempts and gradient criteria look at labelled images of the source and at target images that the network names with
confidence (Guo et al. 2020), as many of one domain as of the other. No label of the target is read before the end.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from engine.data.load import Data, Split
from engine.errors import WorkError
from engine.pipeline.network import Network
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.storage.atomic import atomic_write
from engine.storage.folders.run import Run
from engine.storage.records import event
from engine.storage.store import Store
from engine.train.adversarial import Adaptation, Adversary
from engine.train.pseudo_labels import NOBODY, Rules, name_confidently
from engine.zoo import source
from engine.zoo.source import RunPoint

SUFFIX = "adaptation.safetensors"  # of the file beside a point's weights


@dataclass(frozen=True)
class ValidationImages:
    """The images by which a network is judged, and their `places` among the source's validation images and, behind
    those, all training images of the target."""

    split: Split
    places: Tensor | None = None  # None: the validation images as they are


def accompany(spec: RunSpec, data: Data, network: Network) -> Network:
    """The network with what goes along with it where the data are a pair, and anything is learned of the target."""
    learns = spec.transfer.adversarial or spec.transfer.pseudo_labels
    if data.target is None or not learns or network.adaptation is not None:
        return network
    features = len(network.structure.trace.layers[_head(network)].ins)
    return dataclasses.replace(network, adaptation=Adaptation(features, len(data.target.train), spec.seed))


def is_asked(spec: RunSpec) -> bool:
    """Whether a run carries a network from one dataset over to another."""
    return catalog.pair_of(spec.data.name) is not None


def needs_adapting(spec: RunSpec, network: Network) -> bool:
    """Whether weights that were given know nothing of the target yet, and are to."""
    adaptation = network.adaptation
    return spec.transfer.adversarial and adaptation is not None and not bool(adaptation.trained)


def inherit(spec: RunSpec, data: Data, results: Path) -> Adaptation | None:
    """What goes along with the network of a run's point that `spec` starts from, where the data are the same."""
    start = source.parse(spec.weights)
    if data.target is None or not isinstance(start, RunPoint):
        return None
    run = Store(results).run(start.run_id)
    found = read(run.path / "models" / f"p{start.point}.{SUFFIX}") if run.spec().data == spec.data else None
    return None if found is None else found.without_names()


def adversary(spec: RunSpec, data: Data, network: Network, *, named: bool) -> Adversary | None:
    """How training treats the target: None where it has no part. `named`: pseudo-labels are learned from, too."""
    settings, rules = spec.transfer, rules_of(spec) if named else None
    if data.target is None or network.adaptation is None or not (settings.adversarial or rules):
        return None
    fresh = not bool(network.adaptation.trained)
    return Adversary(
        network.adaptation, data.target, data, _head(network), rules, adversarial=settings.adversarial, fresh=fresh
    )


def rules_of(spec: RunSpec) -> Rules | None:
    """How target images are named; None where they are not."""
    settings = spec.transfer
    return Rules(settings.confidence, settings.balance, settings.refresh) if settings.pseudo_labels else None


def refresh(spec: RunSpec, data: Data, device: str, network: Network) -> Network:
    """The network with new pseudo-labels where that is due; itself where it is not.

    WorkError where it names no image and has no older names.
    """
    rules, old = rules_of(spec), network.adaptation
    if data.target is None or old is None or rules is None:
        return network
    is_named = bool((old.labels != NOBODY).any())
    if is_named and int(old.age) < rules.refresh:
        return network
    labels = name_confidently(network.module, data.target.train, data, device, rules)
    if not (labels != NOBODY).any():
        if is_named:
            return network
        raise WorkError(
            f"the network names no image of {data.target.name} with a confidence of {rules.confidence:g} or more; "
            "lower it (--confidence), train longer, or leave pseudo-labels out (--no-pseudo-labels)"
        )
    adaptation = old.clone()
    adaptation.labels, adaptation.age = labels, torch.zeros_like(old.age)
    return dataclasses.replace(network, adaptation=adaptation)


def validation_images(data: Data, network: Network) -> ValidationImages:
    """What attempts on a network, and criteria that read labels, look at."""
    adaptation = network.adaptation
    if data.target is None or adaptation is None or not (adaptation.labels != NOBODY).any():
        return ValidationImages(data.val)
    has_name = torch.nonzero(adaptation.labels != NOBODY).squeeze(1)
    target = data.target.train.with_labels(adaptation.labels).take(has_name)
    chosen, _ = target.representative(min(len(target), len(data.val)), seed=0)
    places = torch.cat([torch.arange(len(data.val)), len(data.val) + has_name[chosen]])
    return ValidationImages(data.val.joined(target.take(chosen)), places)


def event_of(stage: str, phase: str, keep: float, step: int | None, network: Network) -> event.PseudoLabels:
    """What a run's record says of pseudo-labels that were just made."""
    assert network.adaptation is not None
    labels = network.adaptation.labels
    taken = labels[labels != NOBODY]
    classes = len(set(taken.tolist()))
    return event.PseudoLabels(
        stage=stage, phase=phase, keep=keep, step=step, taken=len(taken), of=len(labels), classes=classes
    )


def answers(data: Data, folder: Run) -> Iterator[event.PseudoLabelAnswers]:
    """After the end of a run: how many of the pseudo-labels that each of its points had were right."""
    for point in folder.points() if data.target is not None else ():
        adaptation = read(folder.model_file(point.point, SUFFIX))
        if data.target is not None and adaptation is not None and (adaptation.labels != NOBODY).any():
            right = int((adaptation.labels == data.target.answers).sum())
            taken = int((adaptation.labels != NOBODY).sum())
            yield event.PseudoLabelAnswers(point=point.point, taken=taken, correct=right)


def write(network: Network, file: Path) -> None:
    """Keep what goes along with a network beside its weights, whole."""
    if network.adaptation is not None:
        state = {name: value.detach().cpu().contiguous() for name, value in network.adaptation.state_dict().items()}
        with atomic_write(file) as part:
            part.write_bytes(save(state))


def read(file: Path) -> Adaptation | None:
    """What was kept there; None where nothing was. WorkError for a damaged file."""
    if not file.exists():
        return None
    try:
        return Adaptation.of(load_file(file))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise WorkError(f"{file} is damaged ({type(error).__name__}); delete the run and start it again") from None


def _head(network: Network) -> str:
    """The classifier's path: the last layer."""
    return next(reversed(network.structure.trace.layers))
