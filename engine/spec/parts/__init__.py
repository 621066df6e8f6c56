"""The parts of a run's spec, each field with what is said of it to the user (`Setting`). No torch."""

from engine.spec.parts.data import DataSpec
from engine.spec.parts.kinds import Flag, LayerRules, Number, Part, Text, Three, Whole, Words
from engine.spec.parts.recovery import (
    FEWEST_CALIBRATION_IMAGES,
    FEWEST_USUAL,
    GENTLE_LR,
    PLAIN_LR,
    RecoverSpec,
    usual_images,
)
from engine.spec.parts.removal import AttemptSpec, DepthSpec, ExactMeasure, Measure, WidthSpec, criterion_of
from engine.spec.parts.target import MOST_TARGETS, CountMetric, TargetMetric, TargetSpec
from engine.spec.parts.training import USUAL_HEAD_EPOCHS, TrainSpec
from engine.spec.parts.transfer import TransferSpec

__all__ = [
    "FEWEST_CALIBRATION_IMAGES",
    "FEWEST_USUAL",
    "GENTLE_LR",
    "MOST_TARGETS",
    "PLAIN_LR",
    "USUAL_HEAD_EPOCHS",
    "AttemptSpec",
    "CountMetric",
    "DataSpec",
    "DepthSpec",
    "ExactMeasure",
    "Flag",
    "LayerRules",
    "Measure",
    "Number",
    "Part",
    "RecoverSpec",
    "TargetMetric",
    "TargetSpec",
    "Text",
    "Three",
    "TrainSpec",
    "TransferSpec",
    "Whole",
    "WidthSpec",
    "Words",
    "criterion_of",
    "usual_images",
]
