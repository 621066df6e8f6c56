"""Presets on top of the launch form: what people come for first, each one click."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app.launch.fields import shown
from app.launch.presets import fill
from app.launch.presets.fill import NO_LISTS, Lists
from engine.spec import run as specs
from engine.spec.run import RunSpec

TRAINED = "20261121-062642-6164d5fc:4"  # of the gallery: a ResNet-20 at 0.8×, trained on clutter and recovered
# What a preset that is about methods leaves as it is.
_OF_IMAGES = (
    *("launch_model", "launch_weights", "launch_file", "launch_data", "launch_target", "launch_labels", "launch_root"),
    *("launch_path_folder:", "launch_path_npz:", "launch_target_path_folder:", "launch_target_path_npz:"),
    *("launch_size", "launch_limit", "launch_val", "launch_adapt", "launch_epochs_False"),
    *("launch_adversarial", "launch_pseudo_labels", "launch_confidence", "launch_refresh", "launch_balance"),
)


@dataclass(frozen=True)
class Preset:
    """What one button fills in. `own_images`: the network and the images on the form stay as they are."""

    label: str
    icon: str
    help: str
    request: Mapping[str, Any]
    lists: Lists = NO_LISTS
    own_images: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)  # of single widgets, by their keys

    def spec(self) -> RunSpec:
        """The first of its runs."""
        return specs.parse(self.request)

    def state(self) -> dict[str, Any]:
        """What it puts into the widgets."""
        state = fill.state_of(self.spec(), self.lists)
        if self.own_images:
            state = {key: value for key, value in state.items() if key not in _OF_IMAGES}
        return state | dict(self.values)


PRESETS = (
    Preset(
        "Two-minute demo",
        ":material/timer:",
        "Trains a small network for six epochs, and cuts it to two sizes. Two to three minutes on two cores.",
        {
            "train": {"epochs": 6},
            "target": {"keep": [0.6, 0.3]},
            "recover": {"epochs": 2, "between_phases": False, "calibration_images": 1024},
        },
    ),
    Preset(
        "No training: reconstruct only",
        ":material/bolt:",
        "A trained network of the gallery, cut to three sizes, each refitted from 1,024 images in seconds. Under a "
        "minute on two cores.",
        {
            "weights": TRAINED,
            "train": {"epochs": 0},
            "order": "channels",
            "target": {"keep": [0.9, 0.7, 0.5]},
            "recover": {"epochs": 0, "calibration_images": 1024},
        },
    ),
    Preset(
        "Compare four criteria",
        ":material/compare_arrows:",
        "Four ways to tell what matters, on the network and the images chosen below. As given, about eight minutes on "
        "two cores.",
        {},
        Lists(criteria=("random", "l1", "bn_scale", "taylor")),
        own_images=True,
    ),
    Preset(
        "Three seeds with a band",
        ":material/area_chart:",
        "The same three times, for a curve with its 95 % interval, on the network and the images chosen below. As "
        "given, about nine minutes on two cores.",
        {},
        Lists(seeds=(0, 1, 2)),
        own_images=True,
    ),
    Preset(
        "Overnight",
        ":material/bedtime:",
        "Four criteria, both orders, three seeds and five sizes with long recovery, on the network and the images "
        "chosen below. As given, three to four hours on two cores.",
        {
            "train": {"epochs": 60},
            "target": {"keep": [0.8, 0.65, 0.5, 0.35, 0.2]},
            "recover": {"epochs": 20},
        },
        Lists(("l1", "bn_scale", "taylor", "obs"), ("layers-channels", "channels-layers"), (0, 1, 2)),
        own_images=True,
    ),
    Preset(
        "Does it run?",
        ":material/check_circle:",
        "200 images, one epoch and one size, on the network and the images chosen below, to see that they go through. "
        "Half a minute; accuracies mean nothing.",
        {"train": {"epochs": 1}, "target": {"keep": [0.8]}, "recover": {"epochs": 1}, "order": "channels"},
        own_images=True,
        values={"launch_limit": shown(200)},
    ),
)


def draw() -> None:
    """A row of buttons, and what the one that was pressed last did."""
    with st.container(horizontal=True, gap="xsmall"):
        for number, preset in enumerate(PRESETS):
            st.button(
                preset.label,
                icon=preset.icon,
                help=preset.help,
                key=f"preset_{number}",
                on_click=_fill_in,
                args=(preset,),
            )
    fill.show_lines()


def _fill_in(preset: Preset) -> None:
    fill.apply(preset.state(), [f"{preset.icon} **{preset.label}** {preset.help} Change what you like below."])
