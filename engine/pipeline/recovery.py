"""Getting accuracy back after a cut: fine-tuning, with the baseline as a teacher where the request says so."""

import copy
import dataclasses
import hashlib

from engine.data.load import Data
from engine.pipeline import transfer
from engine.pipeline.network import Network
from engine.pipeline.recorder import Recorder
from engine.pipeline.step import StepKey
from engine.spec import phases
from engine.spec.parts import PLAIN_LR
from engine.spec.run import RunSpec
from engine.storage.records.point import Stage
from engine.train.distil import Teacher
from engine.train.evaluate import reestimate_bn
from engine.train.fit import fit, fit_batches
from engine.train.recipe import Recipe


def stage_of_cuts(spec: RunSpec) -> Stage:
    """What the point of a cut is called before anything is fine-tuned."""
    return "reconstructed" if spec.recover.reconstruct else "pruned"


def stage_of_steps(spec: RunSpec, phase: str) -> Stage:
    """What a step's point is called: recovered, when anything was fine-tuned in it."""
    settings = spec.recover
    epochs = phases.whole_epochs_each_step(spec, phase) and (settings.epochs or settings.reestimate_bn)
    return "recovered" if epochs or settings.between_steps_batches else stage_of_cuts(spec)


def make_teacher(spec: RunSpec, baseline: Network, device: str) -> Teacher | None:
    """The baseline as the teacher of pruned networks; None where nothing is distilled."""
    if not spec.recover.distil:
        return None
    settings = spec.recover
    return Teacher(copy.deepcopy(baseline.module).to(device), settings.temperature, settings.distil_weight)


def train_baseline(recorder: Recorder, key: StepKey, network: Network, number: int) -> None:
    """Train the baseline in place; of a pair of datasets so that its features do not tell one from the other."""
    recipe = Recipe(**recorder.spec.train.model_dump())
    _fit(recorder, key, network, recorder.data, recipe, number, "training", None, named=False)


def adapt_weights(recorder: Recorder, key: StepKey, network: Network, number: int) -> None:
    """Train a network whose weights were given, in place, so that its features do not tell the domains apart."""
    spec = recorder.spec
    recipe = Recipe(spec.transfer.adapt_epochs, PLAIN_LR, spec.train.batch_size, spec.train.weight_decay)
    _fit(recorder, key, network, _without_crops(recorder.data), recipe, number, "adapting", None, named=False)


def fine_tune_phase(recorder: Recorder, key: StepKey, network: Network, number: int, teacher: Teacher | None) -> None:
    """Fine-tune in place after a phase, for the epochs of the request."""
    if recorder.spec.recover.reestimate_bn:
        reestimate_bn(network.module, recorder.data.unlabelled, recorder.data, recorder.device)
    data, recipe = _without_crops(recorder.data), _recipe(recorder.spec)
    _fit(recorder, key, network, data, recipe, number, "recovering", teacher, named=True)


def fine_tune_step(recorder: Recorder, key: StepKey, network: Network, number: int, teacher: Teacher | None) -> None:
    """Fine-tune in place after one step of an iterative method, for some batches or for the epochs."""
    settings, recipe = recorder.spec.recover, _recipe(recorder.spec)
    if phases.whole_epochs_each_step(recorder.spec, key.phase):
        fine_tune_phase(recorder, key, network, number, teacher)
    elif settings.between_steps_batches:
        batches = settings.between_steps_batches
        recorder.report(key, f"recovering, {batches} batches")
        data, seed = _without_crops(recorder.data), _seed(recorder, number)
        fit_batches(
            network.module,
            data,
            recipe,
            recorder.device,
            seed,
            batches=batches,
            on_batch=recorder.progress.batches(key, "recovering", batches),
            teacher=teacher,
            adversary=transfer.adversary(recorder.spec, data, network, named=True),
        )


def seed_of(seed: int, number: int) -> int:
    """The seed of a step's training: another for every step and every run's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")


def _seed(recorder: Recorder, number: int) -> int:
    """As if the runs that led to the baseline had gone on, for what follows is the same then."""
    return seed_of(recorder.spec.seed, recorder.before.points + number)


def _recipe(spec: RunSpec) -> Recipe:
    settings, train = spec.recover, spec.train
    return Recipe(settings.epochs, settings.lr, train.batch_size, train.weight_decay)


def _without_crops(data: Data) -> Data:
    """The data without random crops: few epochs are better spent on the images as they are."""
    return dataclasses.replace(data, crop=0)


def _fit(
    recorder: Recorder,
    key: StepKey,
    network: Network,
    data: Data,
    recipe: Recipe,
    number: int,
    message: str,
    teacher: Teacher | None,
    *,
    named: bool,
) -> None:
    recorder.report(key, message)
    adversary = transfer.adversary(recorder.spec, data, network, named=named)
    fit(
        network.module,
        data,
        recipe,
        recorder.device,
        _seed(recorder, number),
        on_epoch=recorder.progress.epochs(key, message, recipe.epochs),
        on_batch=recorder.progress.batches_of_epochs(key, message, recipe.epochs),
        checkpoint=recorder.checkpoint(number),
        teacher=teacher,
        adversary=adversary,
    )
    if adversary is not None and adversary.adversarial and recipe.epochs:
        adversary.adaptation.trained.fill_(True)
