"""The network that all of a landscape is cut from: with the weights given, from a job that trained it, or trained."""

from collections.abc import Callable

from engine.pipeline.network import Network
from engine.pipeline.recovery import seed_of
from engine.pipeline.start.inputs import RunInputs
from engine.pipeline.start.same_baseline import find_same_baseline
from engine.pipeline.step import BASELINE, epoch_event
from engine.spec.run import RunSpec
from engine.storage.landscapes.job import Landscape
from engine.storage.records import event
from engine.surgery import serialization
from engine.surgery.model_card import ModelCard
from engine.train.fit import EpochResult, fit
from engine.train.recipe import Recipe

Report = Callable[[str, float], None]  # what is going on, and how many epochs are done


def obtain_baseline(spec: RunSpec, folder: Landscape, inputs: RunInputs, report: Report) -> Network:
    """The baseline as it is stored in the folder; made and stored first where it is not there yet.

    Stored, it is the same for whoever resumes the landscape, whatever became of the file that its weights came from.
    """
    plan_file, weights_file = folder.baseline_files()
    if not (plan_file.exists() and weights_file.exists()):
        network = _make(spec, folder, inputs, report)
        data = inputs.data
        card = ModelCard(data.image, data.mean, data.std, data.classes, folder.id, 0)
        serialization.write(network.module, network.plan, card, plan_file, weights_file)
        folder.checkpoint_file().unlink(missing_ok=True)
    return Network(*serialization.read(plan_file, weights_file))


def needs_training(folder: Landscape, inputs: RunInputs) -> bool:
    """Whether the baseline may have to be trained."""
    return not inputs.zoo_model.pretrained and not all(file.exists() for file in folder.baseline_files())


def _make(spec: RunSpec, folder: Landscape, inputs: RunInputs, report: Report) -> Network:
    if inputs.zoo_model.pretrained:
        return inputs.network
    if match := find_same_baseline(folder, spec):
        job_id, network = match
        folder.append_event(event.Note(text=f"baseline taken from {job_id}, which trained the same one"))
        return network

    def on_epoch(epoch: EpochResult) -> None:
        folder.append_event(epoch_event(BASELINE, epoch))
        report(f"training the baseline, epoch {epoch.epoch}/{epoch.epochs}", epoch.epoch)

    report("training the baseline", 0)
    seed = seed_of(spec.seed, inputs.points_before)
    recipe = Recipe(**spec.train.model_dump())
    fit(
        inputs.network.module,
        inputs.data,
        recipe,
        inputs.device,
        seed,
        on_epoch=on_epoch,
        checkpoint=folder.checkpoint_file(),
    )
    return inputs.network
