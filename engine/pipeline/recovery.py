"""Getting accuracy back after a cut: fine-tuning, with the untouched network as a teacher where that is asked for."""

import copy
import dataclasses
import hashlib

from engine.data.load import Data
from engine.pipeline.recorder import Network, Recorder, StepKey
from engine.spec import phases
from engine.spec.run import RunSpec
from engine.storage.records.point import Stage
from engine.train.distil import Teacher
from engine.train.evaluate import reestimate_bn
from engine.train.fit import Recipe, fit, fit_batches


def stage_of_steps(spec: RunSpec, phase: str) -> Stage:
    """What a step's point is called: recovered, when anything was fine-tuned in it."""
    how = spec.recover
    epochs = phases.whole_epochs_each_step(spec, phase) and (how.epochs or how.reestimate_bn)
    return "recovered" if epochs or how.between_steps_batches else "pruned"


def teacher(spec: RunSpec, baseline: Network, device: str) -> Teacher | None:
    """The untouched baseline, as it is to teach."""
    if not spec.recover.distil:
        return None
    how = spec.recover
    return Teacher(copy.deepcopy(baseline.module).to(device), how.temperature, how.distil_weight)


def train_baseline(recorder: Recorder, key: StepKey, network: Network, number: int) -> None:
    """Train the untouched network in place."""
    _fit(recorder, key, network, recorder.data, Recipe(**recorder.spec.train.model_dump()), number, "training", None)


def after_phase(recorder: Recorder, key: StepKey, network: Network, number: int, taught: Teacher | None) -> None:
    """Fine-tune in place for the epochs that were asked for."""
    if recorder.spec.recover.reestimate_bn:
        reestimate_bn(network.module, recorder.data.train, recorder.data, recorder.device)
    _fit(recorder, key, network, _as_they_are(recorder.data), _recipe(recorder.spec), number, "recovering", taught)


def after_step(recorder: Recorder, key: StepKey, network: Network, number: int, taught: Teacher | None) -> None:
    """Fine-tune in place after one step of an iterative method, for some batches or for the epochs."""
    how, recipe = recorder.spec.recover, _recipe(recorder.spec)
    if phases.whole_epochs_each_step(recorder.spec, key.phase):
        after_phase(recorder, key, network, number, taught)
    elif how.between_steps_batches:
        recorder.say(key, f"recovering, {how.between_steps_batches} batches")
        data, seed = _as_they_are(recorder.data), seed_of(recorder.spec.seed, number)
        fit_batches(
            network.module, data, recipe, recorder.device, seed, batches=how.between_steps_batches, teacher=taught
        )


def seed_of(seed: int, number: int) -> int:
    """The seed of a step's training: another for every step and every run's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")


def _recipe(spec: RunSpec) -> Recipe:
    how, train = spec.recover, spec.train
    return Recipe(how.epochs, how.lr, train.batch_size, train.weight_decay)


def _as_they_are(data: Data) -> Data:
    """Images without random crops: few epochs are better spent on them as they are."""
    return dataclasses.replace(data, crop=0)


def _fit(
    recorder: Recorder,
    key: StepKey,
    network: Network,
    data: Data,
    recipe: Recipe,
    number: int,
    doing: str,
    taught: Teacher | None,
) -> None:
    recorder.say(key, doing)
    fit(
        network.module,
        data,
        recipe,
        recorder.device,
        seed_of(recorder.spec.seed, number),
        on_epoch=recorder.epochs(key, doing, recipe.epochs),
        checkpoint=recorder.checkpoint(number),
        teacher=taught,
    )
