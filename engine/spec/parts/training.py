"""How the untouched network is trained. No torch."""

from typing import Annotated

from pydantic import Field

from engine.spec.parts.kinds import Number, Part, Whole
from engine.spec.settings import Setting

USUAL_HEAD_EPOCHS = 5  # before pruning, where weights are given and their head does not fit


class TrainSpec(Part):
    epochs: Annotated[
        Whole,
        Setting(
            "epochs of the baseline",
            "--train-epochs",
            "train_epochs",
            "training epochs",
            "the number of epochs before pruning",
            costs_time=True,
        ),
    ] = Field(20, ge=0, le=100_000)
    lr: Annotated[
        Number, Setting("its learning rate", "--train-lr", "train_lr", "training rate", "the learning rate")
    ] = Field(0.1, gt=0)
    batch_size: Annotated[Whole, Setting("images per step", heading="batch", label="the batch size", unit="images")] = (
        Field(128, ge=2, le=65_536)
    )
    weight_decay: Annotated[Number, Setting("in training and in recovery", label="the weight decay")] = Field(
        0.0005, ge=0
    )
    label_smoothing: Annotated[Number, Setting("of the baseline's training", label="the label smoothing")] = Field(
        0.0, ge=0, lt=1
    )
