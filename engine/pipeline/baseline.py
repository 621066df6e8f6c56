"""The network that everything is compared with: as its weights are, trained from scratch, or adapted to a target."""

from engine.errors import RequestError
from engine.pipeline import recovery, transfer
from engine.pipeline.duration.length import baseline_epochs
from engine.pipeline.network import Network
from engine.pipeline.recorder import Recorder
from engine.pipeline.shared.baseline import trained, training_key
from engine.pipeline.start.same_baseline import find_same_baseline
from engine.pipeline.step import BASELINE, StepKey
from engine.zoo.build import ZooModel


def obtain_baseline(recorder: Recorder, untrained: Network, zoo_model: ZooModel) -> Network:
    """The network that everything is compared with: as its weights are, or trained from scratch.

    In a transfer weights that are given are adapted first, and the target's images are named.
    """
    spec, data = recorder.spec, recorder.data
    initial = transfer.accompany(spec, data, untrained)

    def work(number: int) -> Network:
        if zoo_model.pretrained:
            if transfer.needs_adapting(spec, initial):
                recovery.adapt_weights(recorder, BASELINE, initial, number)
            return initial
        return _trained(recorder, initial, number)

    network = recorder.step(BASELINE, 1 + baseline_epochs(spec, trains=not zoo_model.pretrained), work)
    floor, accuracy = spec.depth.floor, recorder.point(BASELINE).val_top1
    if floor is not None and floor >= accuracy:
        raise RequestError(
            f"depth.floor {floor:g} must lie below the baseline's validation accuracy, which is {accuracy:.4f}",
            field="depth.floor",
        )
    named = name_targets(recorder, BASELINE, transfer.accompany(spec, data, network))
    if named is not network:
        recorder.keep_adaptation(0, named)
    return named


def _trained(recorder: Recorder, initial: Network, number: int) -> Network:
    """Trained from scratch, by this run or by another one that trains the same."""

    def train() -> tuple[str, Network]:
        if match := find_same_baseline(recorder.folder, recorder.spec):
            recorder.note(_taken_from(match[0]))
            return match
        recovery.train_baseline(recorder, BASELINE, initial, number)
        return recorder.folder.id, initial

    sharing = recorder.sharing
    key = None if sharing is None else training_key(sharing, recorder.spec, recorder.data, initial)
    if sharing is None or key is None:
        return train()[1]
    taken = trained(sharing, key, initial, train)
    if isinstance(taken, Network):
        return taken
    recorder.note(_taken_from(taken[0]))
    return taken[1]


def _taken_from(run_id: str) -> str:
    return f"baseline taken from run {run_id}, which trained the same one"


def name_targets(recorder: Recorder, key: StepKey, network: Network) -> Network:
    """The network with pseudo-labels for the target's images, made anew where that is due; in a transfer alone."""
    named = transfer.refresh(recorder.spec, recorder.data, recorder.device, network)
    if named is not network:
        recorder.folder.append_event(transfer.event_of(key.stage, key.phase, key.keep, key.step, named))
    return named
