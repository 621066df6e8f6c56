"""What is done after a cut: reconstruction and fine-tuning. No torch."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from engine.spec.parts.kinds import Flag, Number, Part, Whole
from engine.spec.settings import Setting

FEWEST_CALIBRATION_IMAGES = 16
FEWEST_USUAL, MOST_USUAL = 1_024, 4_096  # of these images, where their number is not asked for
_USUAL_MACS = 1.3e11  # of one look at them all
GENTLE_LR, PLAIN_LR = 0.003, 0.01  # of recovery: what a reconstruction has gained is lost at the rate that a cut needs


def usual_images(macs: int) -> int:
    """How many images a refit of a network looks at where nothing is said: more of a small one, as a look costs less.

    Small networks have less to spare, too, and their refit gains most from more images.
    """
    return max(FEWEST_USUAL, min(MOST_USUAL, int(_USUAL_MACS / max(macs, 1))))


class RecoverSpec(Part):
    epochs: Annotated[
        Whole,
        Setting(
            "epochs of fine-tuning after a cut",
            "--recover-epochs",
            "recover_epochs",
            "recovery epochs",
            "the number of recovery epochs",
            costs_time=True,
        ),
    ] = Field(5, ge=0, le=100_000)
    lr: Annotated[
        Number,
        Setting(
            f"its learning rate; {PLAIN_LR:g} where nothing is said and cuts are not reconstructed",
            "--recover-lr",
            "recover_lr",
            "recovery rate",
            "the learning rate of the recovery",
            before=PLAIN_LR,
        ),
    ] = Field(GENTLE_LR, gt=0)
    distil: Annotated[
        Flag,
        Setting(
            "fine-tune on the untouched baseline's outputs, too",
            heading="distilled",
            label="distillation",
            costs_time=True,
        ),
    ] = False
    temperature: Annotated[
        Number, Setting("of the outputs that are compared in distillation", label="the temperature")
    ] = Field(4.0, gt=0)
    distil_weight: Annotated[
        Number,
        Setting(
            "the teacher's part of the loss, in (0, 1]",
            heading="teacher's part",
            label="the teacher's part of the loss",
        ),
    ] = Field(0.9, gt=0, le=1)
    reconstruct: Annotated[
        Flag,
        Setting(
            "after each cut, refit what is left to the untouched network's values by least squares, without labels",
            heading="reconstruction",
            label="reconstruction",
            costs_time=True,
            later=True,
            before=False,
        ),
    ] = True
    calibration_images: Annotated[
        Annotated[Whole, Field(ge=FEWEST_CALIBRATION_IMAGES, le=1_000_000)] | None,
        Setting(
            "training images that reconstruction looks at; where nothing is said 1,024, with small networks "
            "up to 4,096, of large images fewer",
            heading="calibration images",
            label="the number of calibration images",
            unit="images",
            costs_time=True,
            later=True,
        ),
    ] = None
    ridge: Annotated[
        Number,
        Setting(
            "how strongly reconstruction holds on to the weights as they are, as a share of the mean square of what a "
            "layer reads",
            label="the ridge",
            later=True,
        ),
    ] = Field(0.001, gt=0, le=1_000_000)
    between_phases: Annotated[
        Flag,
        Setting(
            "fine-tune after each phase, or the last one only",
            "--recover-between",
            heading="recovery between phases",
            label="recovery between phases",
        ),
    ] = True
    # A recovery by itself.
    reestimate_bn: Annotated[
        Flag,
        Setting(
            "measure batch norm statistics anew before fine-tuning",
            "--recover-bn",
            heading="batch norm re-estimated",
            label="re-estimating batch norm",
        ),
    ] = False
    between_steps_batches: Annotated[
        Whole,
        Setting(
            "batches of fine-tuning after each step",
            "--step-batches",
            heading="batches after each step",
            label="the number of batches after each step",
            costs_time=True,
        ),
    ] = Field(0, ge=0, le=1_000_000)

    @model_validator(mode="before")
    @classmethod
    def _rate_of_plain_cuts(cls, values: Any) -> Any:
        """Where cuts are left as they are and no rate is named, it is theirs: stored specs name what was meant."""
        if isinstance(values, Mapping) and values.get("reconstruct") is False:
            return {"lr": PLAIN_LR, **values}
        return values
