"""Who takes part in `benchmarks.peers`: every method and criterion, with and without the baseline as a teacher.

Half the MACs, and at most two epochs of training in all: what an iterative method spends between its steps, it does
not spend at the end. Plain cuts, and the same with reconstruction, which trains at a gentler rate or not at all. No
torch.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.spec import run as run_spec
from engine.spec.parts import GENTLE_LR

EPOCHS = 2
LR = 0.01
KEEP = 0.5
THEIRS = "Torch-Pruning"
THEIRS_HELPED = "Torch-Pruning, then batch norm re-estimated"
IMPORTANCES = ("fpgm", "l1", "bn_scale", "taylor", "lamp", "random")
DISTILLED_IMPORTANCES = ("fpgm", "l1")

_PROGRESSIVE = {"method": "progressive", "attempt_fraction": 0.2, "layers_per_step": 0.35, "least_share": 0.3}


@dataclass(frozen=True)
class Entry:
    """One experiment, to be repeated over seeds; `settings` is its part of the spec, empty for the library's.

    Cuts are plain where the settings do not say that they are reconstructed.
    """

    method: str
    criterion: str
    distilled: bool
    settings: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return f"{self.method}, {self.criterion}, {'distilled' if self.distilled else 'plain'}"

    @property
    def ours(self) -> bool:
        return self.method not in (THEIRS, THEIRS_HELPED)

    @property
    def theirs_as_it_is(self) -> bool:
        return self.method == THEIRS and not self.distilled

    @property
    def slug(self) -> str:
        """What a file of theirs is called after."""
        helped = ["helped"] if self.method == THEIRS_HELPED else []
        return "-".join((self.criterion, "distilled" if self.distilled else "plain", *helped))

    def spec(self, weights: str, data: str, seed: int) -> run_spec.RunSpec:
        """The run that one of our entries asks for."""
        recover = {"reconstruct": False, "lr": LR, "distil": self.distilled, **self.settings["recover"]}
        fixed = {
            "model": "resnet56",
            "weights": weights,
            "data": {"name": data},
            "target": {"keep": [KEEP], **self.settings.get("target", {})},
        }
        return run_spec.parse({**self.settings, **fixed, "recover": recover, "seed": seed, "device": "cpu"})


def entries() -> list[Entry]:
    """All entries, those first that are worth having when time runs out."""
    all_entries = [*_channels(), *_theirs(), *_reconstructed()]
    for method, criterion, spec in (*_progressive(), *_direct(), *_both(), *_layers(), *_mixed()):
        all_entries += [Entry(method, criterion, distilled, spec) for distilled in (False, True)]
    return all_entries


Method = tuple[str, str, dict[str, Any]]
Training = tuple[str, bool, dict[str, Any]]  # what a name says of it, whether it is distilled, settings of recovery


def _channels() -> Iterator[Entry]:
    for criterion in IMPORTANCES:
        spec = {"order": "channels", "criterion": criterion, "recover": {"epochs": EPOCHS}}
        for distilled in (False, True):
            yield Entry("channels", criterion, distilled, spec)
    for round_to, distilled in itertools.product((4, 8), (False, True)):
        width = {"round_to": round_to}
        spec = {"order": "channels", "criterion": "fpgm", "width": width, "recover": {"epochs": EPOCHS}}
        yield Entry(f"channels, widths in {round_to}s", "fpgm", distilled, spec)


def _theirs() -> Iterator[Entry]:
    for importance in IMPORTANCES:
        yield Entry(THEIRS, importance, distilled=False)
    for importance in DISTILLED_IMPORTANCES:
        yield Entry(THEIRS, importance, distilled=True)
        yield Entry(THEIRS_HELPED, importance, distilled=True)


def _reconstructed() -> Iterator[Entry]:
    """Without training, and taught; by obs also trained on the labels, and taught without the labels' part."""
    untrained_and_taught: tuple[Training, ...] = (
        (", no training", False, {"epochs": 0}),
        ("", True, {"epochs": EPOCHS}),
    )
    others: tuple[Training, ...] = (
        ("", False, {"epochs": EPOCHS}),
        (", teacher alone", True, {"epochs": EPOCHS, "distil_weight": 1.0}),
    )
    for method, criterion, spec in (*_reconstructed_channels(), *_reconstructed_blocks()):
        everything = (method, criterion) == ("channels", "obs")
        for training, distilled, recover in (*untrained_and_taught, *(others if everything else ())):
            usual = {"reconstruct": True, "lr": GENTLE_LR, "between_phases": False}
            name = f"{method}, reconstructed{training}"
            yield Entry(name, criterion, distilled, {**spec, "recover": {**usual, **recover}})
    gentlest = {"reconstruct": True, "lr": 0.001, "epochs": EPOCHS}
    obs = {"order": "channels", "criterion": "obs", "recover": gentlest}
    yield Entry("channels, reconstructed, rate 0.001", "obs", distilled=True, settings=obs)
    images = {**obs, "recover": {**gentlest, "calibration_images": 4000}}
    yield Entry("channels, reconstructed from 4,000 images, rate 0.001", "obs", distilled=True, settings=images)


def _reconstructed_channels() -> Iterator[Method]:
    for criterion in ("obs", "l1"):
        yield "channels", criterion, {"order": "channels", "criterion": criterion}
    yield "channels, widths in 8s", "obs", {"order": "channels", "criterion": "obs", "width": {"round_to": 8}}


def _reconstructed_blocks() -> Iterator[Method]:
    yield "layers", "obs", {"order": "layers", "criterion": "obs"}
    both: dict[str, Any] = {"order": "layers-channels", "criterion": "obs", "target": {"depth_share": 0.3}}
    yield "layers-channels, depth share 0.3", "obs", both
    yield "layers-channels, widths in 8s, depth share 0.3", "obs", {**both, "width": {"round_to": 8}}
    for share, keep in ((0.5, 0.42), (0.7, 0.42), (0.5, 0.4)):
        target = {"keep": [keep], "depth_share": share}
        name = f"layers-channels, widths in 8s, depth share {share:g}, {keep:g}× MACs"
        yield name, "obs", {**both, "width": {"round_to": 8}, "target": target}


def _progressive() -> Iterator[Method]:
    for criterion, measure in (("fpgm", "loss"), ("fpgm", "divergence"), ("l1", "divergence")):
        yield (
            f"channels progressive by {measure}",
            criterion,
            {
                "order": "channels",
                "criterion": criterion,
                "width": _PROGRESSIVE,
                "attempt": {"measure": measure, "race": True},
                "recover": {"epochs": 1, "between_steps_batches": 3},
            },
        )


def _direct() -> Iterator[Method]:
    for measure in ("accuracy", "divergence"):
        yield (
            "layers direct",
            measure,
            {
                "order": "layers",
                "criterion": measure,
                "depth": {"method": "direct"},
                "attempt": {"race": True},
                "recover": {"epochs": 1, "between_steps_batches": 2},
            },
        )


def _both() -> Iterator[Method]:
    for criterion, round_to in (("fpgm", 1), ("fpgm", 8), ("l1", 1)):
        yield (
            "layers-channels" + (f", widths in {round_to}s" if round_to > 1 else ""),
            criterion,
            {
                "order": "layers-channels",
                "criterion": criterion,
                "width": {"round_to": round_to},
                "recover": {"epochs": 1, "between_phases": True},
            },
        )


def _layers() -> Iterator[Method]:
    for criterion in ("fpgm", "bn_scale", "accuracy"):
        yield "layers", criterion, {"order": "layers", "criterion": criterion, "recover": {"epochs": EPOCHS}}


def _mixed() -> Iterator[Method]:
    yield (
        "alternate by divergence",
        "fpgm",
        {
            "order": "alternate",
            "criterion": "fpgm",
            "attempt": {"measure": "divergence"},
            "recover": {"epochs": EPOCHS},  # some thirty steps: a batch for each would leave less than an epoch
        },
    )
    yield (
        "channels-layers",
        "fpgm",
        {"order": "channels-layers", "criterion": "fpgm", "recover": {"epochs": 1, "between_phases": True}},
    )
    for keep, depth_share in ((KEEP, 0.3), (0.44, 0.25)):
        yield (
            f"layers-channels, widths in 8s, depth share {depth_share:g}"
            + ("" if keep == KEEP else f", {keep:g}× MACs"),
            "fpgm",
            {
                "order": "layers-channels",
                "criterion": "fpgm",
                "width": {"round_to": 8},
                "target": {"keep": [keep], "depth_share": depth_share},
                "recover": {"epochs": EPOCHS, "between_phases": False},
            },
        )
    yield (
        "direct layers by divergence to depth share 0.3, then channels in 4s",
        "fpgm",
        {
            "order": "layers-channels",
            "criterion": "fpgm",
            "depth": {"method": "direct"},
            "attempt": {"measure": "divergence", "race": True},
            "width": {"round_to": 4},
            "target": {"depth_share": 0.3},
            "recover": {"epochs": 1, "between_phases": False, "between_steps_batches": 5},
        },
    )
