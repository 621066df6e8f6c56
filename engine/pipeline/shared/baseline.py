"""A trained baseline, and how good a baseline is: worked out by one run, taken by the others."""

import os
import re
import shutil
from collections.abc import Callable

import torch

from engine.data.split import Data, Split
from engine.pipeline.network import Network
from engine.pipeline.shared import digests
from engine.pipeline.shared.entry import Entry
from engine.pipeline.shared.sharing import Sharing
from engine.spec.ids import RUN_ID
from engine.spec.run import RunSpec
from engine.storage.atomic import atomic_write
from engine.storage.cache.cache import Key
from engine.train.adversarial import Adaptation
from engine.train.checkpoint import epochs_done
from engine.train.evaluate import Evaluation

_WEIGHTS, _ADAPTATION = "weights/", "adaptation/"
_CHECKPOINT = "p0.safetensors"


def training_key(sharing: Sharing, spec: RunSpec, data: Data, untrained: Network) -> Key | None:
    """What a training from scratch depends on; None where nobody can say what its images are."""
    target = () if data.target is None else (data.target.train, data.target.test)
    images = digests.of_splits(data, data.train, data.val, *target)
    if images is None:
        return None
    settings = {
        "model": spec.model,
        "weights": spec.weights,
        "train": spec.train.model_dump(mode="json"),
        "transfer": spec.transfer.model_dump(mode="json") if data.target is not None else None,
        "seed": spec.seed,
        "augmentation": [data.flip, data.crop],
    }
    return sharing.key("baselines", untrained, {"images": images, **settings})


def trained(
    sharing: Sharing, key: Key, untrained: Network, train: Callable[[], tuple[str, Network]]
) -> tuple[str, Network] | Network:
    """The trained network: that of another run, with its id; or by itself what `train` gives, with its origin's id."""
    made: list[Network] = []

    def compute() -> Entry:
        _take_over_training(sharing, key)
        origin, network = train()
        made.append(network)
        tensors = {f"{_WEIGHTS}{name}": value for name, value in network.module.state_dict().items()}
        if network.adaptation is not None:
            tensors |= {f"{_ADAPTATION}{name}": value for name, value in network.adaptation.state_dict().items()}
        return Entry(tensors, {"run": origin})

    entry, was_there = sharing.obtain(key, "baseline", compute)
    if not was_there:
        return made[0]
    untrained.module.load_state_dict(_under(_WEIGHTS, entry))
    state = _under(_ADAPTATION, entry)
    adaptation = Adaptation.of(state).without_names() if state else untrained.adaptation
    return str(entry.facts["run"]), Network(untrained.module.eval(), untrained.plan, adaptation)


def _under(prefix: str, entry: Entry) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): x.clone() for name, x in entry.tensors.items() if name.startswith(prefix)}


def _take_over_training(sharing: Sharing, key: Key) -> None:
    """Have the run go on from where another one was stopped in the very same training, and say that it is at it now."""
    claim = Key("trainings", key.digest)
    known, own = sharing.find(claim), sharing.run.checkpoint_file(0)
    other = None if known is None else str(known.facts.get("run"))
    if other is not None and re.fullmatch(RUN_ID, other) and not os.path.lexists(own):
        file = sharing.run.path.parent / other / "checkpoint" / _CHECKPOINT
        if epochs_done(file):
            with atomic_write(own) as part:
                shutil.copyfile(file, part)
            sharing.run.write_log(f"the training goes on from epoch {epochs_done(own)} of run {other}")
    sharing.keep(claim, Entry({}, {"run": sharing.run.id}))


def evaluation(
    sharing: Sharing, network: Network, split: Split, data: Data, compute: Callable[[], Evaluation]
) -> Evaluation:
    """How good an untouched network is on a split."""
    images = digests.of_splits(data, split)
    if images is None:
        return compute()

    def entry_of(result: Evaluation) -> Entry:
        facts = {"correct": result.correct, "total": result.total, "top5": result.top5, "loss": result.loss}
        return Entry({"predictions": result.predictions}, facts)

    key = sharing.key("evaluations", network, {"images": images})
    entry, _ = sharing.obtain(key, "evaluation", lambda: entry_of(compute()))
    return Evaluation(**entry.facts, predictions=entry.tensors["predictions"].clone())
