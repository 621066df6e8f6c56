"""The parts of a run's spec, each field with what is said of it to the user (`Setting`). No torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

from engine.spec import messages
from engine.spec.catalog import Rank
from engine.spec.images import image_size, label_rules
from engine.spec.networks import layer_rules
from engine.spec.settings import Setting

ExactMeasure = Literal["accuracy", "loss", "divergence", "cka"]  # of a network without what is attempted
Measure = Literal[ExactMeasure, "reconstruction"]


MOST_TARGETS = 100
USUAL_HEAD_EPOCHS = 5  # before pruning, where weights are given and their head does not fit
FEWEST_CALIBRATION_IMAGES = 16
GENTLE_LR, PLAIN_LR = 0.003, 0.01  # of recovery: what a reconstruction has gained is lost at the rate that a cut needs
_MOST_IMAGES = 2**53
_LONGEST_NAME = 255  # bytes that file systems take for one name


def criterion_of(measure: Measure) -> str:
    """The criterion that scores blocks by what a measure of attempts measures."""
    return "obs" if measure == "reconstruction" else measure


def _check_readable(text: str) -> str:
    try:
        names = text.encode().split(b"/")
    except UnicodeEncodeError:
        raise ValueError("holds characters that are not text; rename the file") from None
    if "\0" in text or max(map(len, names)) > _LONGEST_NAME:
        raise ValueError(f"holds a zero byte or a name of more than {_LONGEST_NAME} bytes, which no file has")
    return text


# No number is read from text, no whole number from true or 1.0, no text from bytes: what is stored is what was written.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Words = Annotated[str, Strict()]
Text = Annotated[Words, AfterValidator(_check_readable)]
CountMetric = Literal["macs", "params"]  # each a count of `engine.graph.cost.Cost`
TargetMetric = Literal[CountMetric, "latency"]
Three = tuple[Number, Number, Number]
LayerRules = Annotated[
    tuple[Annotated[Text, AfterValidator(layer_rules.check)], ...], AfterValidator(layer_rules.check_all)
]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(Part):
    name: Annotated[
        Text,
        Setting("a name from `datasets`, folder:PATH or npz:PATH", "--data", "data", costs_time=True),
    ] = "clutter"
    root: Annotated[
        Text | None,
        Setting("where downloaded data lies", "--data-root", "data_root", "data folder", "the data folder", path=True),
    ] = None
    limit: Annotated[
        Annotated[Whole, Field(ge=1)] | None,
        Setting("at most so many images of each split", label="the number of images", unit="images", costs_time=True),
    ] = None
    val_fraction: Annotated[
        Number,
        Setting(
            "share of train that becomes the validation split",
            heading="validation share",
            label="the validation share",
        ),
    ] = Field(0.1, gt=0, lt=1)
    normalize: Annotated[
        Literal["imagenet", "cifar10", "cifar100"] | tuple[Three, Three] | None,
        Setting("imagenet, cifar10, cifar100 or [[3 means], [3 deviations]]", heading="normalisation"),
    ] = Field(None, description="imagenet, cifar10, cifar100 or [[3 means], [3 deviations above 0]]")

    image_size: Annotated[
        Annotated[Whole, Field(ge=1)] | tuple[Whole, Whole] | None,
        Setting(
            "pixels of the network's images, such as 224, or 160x224 (height x width); the data's or the network's own "
            "where nothing is said",
            heading="image size",
            label="the image size",
            costs_time=True,
            later=True,
        ),
    ] = Field(None, description=image_size.FORM)
    labels: Annotated[
        Words | None,
        Setting(
            "what odd labels of an npz file mean: from-1, ignore-255, compact or as-is, several joined by +",
            label="the meaning of labels",
            later=True,
        ),
    ] = Field(None, description=label_rules.FORM)

    @field_validator("image_size", mode="before")
    @classmethod
    def _size_in_words(cls, value: Any) -> Any:
        return image_size.read(value)

    @field_validator("image_size")
    @classmethod
    def _sides_are_usual(cls, value: Any) -> Any:
        if value is not None:
            image_size.check(value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_rules(cls, value: str | None) -> str | None:
        if value is not None:
            label_rules.parse(value)
        return value

    @property
    def size_asked(self) -> tuple[int, int] | None:
        """Height and width as asked for, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @field_validator("limit")
    @classmethod
    def _is_countable(cls, value: int | None) -> int | None:
        if value is not None and value > _MOST_IMAGES:
            raise ValueError(f"must be a whole number of at least 1 (got {messages.quote(value)}, which is too large)")
        return value

    @field_validator("normalize")
    @classmethod
    def _deviations_above_zero(cls, value: Any) -> Any:
        if isinstance(value, tuple) and min(value[1]) <= 0:
            raise ValueError("must be a name or [[3 means], [3 deviations above 0]]")
        return value


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
    weight_decay: Annotated[Number, Setting("in training and in recovery")] = Field(0.0005, ge=0)
    label_smoothing: Annotated[Number, Setting("of the baseline's training")] = Field(0.0, ge=0, lt=1)


class DepthSpec(Part):
    method: Annotated[
        Literal["one-shot", "direct"],
        Setting(
            "one-shot | direct: measure every block's removal, one at a time",
            "--depth",
            "depth_method",
            costs_time=True,
        ),
    ] = "one-shot"
    floor: Annotated[
        Number | None,
        Setting(
            "direct ends before validation accuracy would fall below this",
            heading="accuracy floor",
            label="the accuracy to stop below",
        ),
    ] = Field(None, gt=0, lt=1)


class WidthSpec(Part):
    method: Annotated[
        Literal["one-shot", "progressive"],
        Setting("one-shot | progressive: attempt, select, prune, repeat", "--width", "width_method", costs_time=True),
    ] = "one-shot"
    scope: Annotated[
        Literal["global", "uniform"],
        Setting("rank channels over the whole network or in each layer: global | uniform"),
    ] = "global"
    round_to: Annotated[Whole, Setting("widths become multiples of this", label="the multiple to keep")] = Field(
        1, ge=1, le=256
    )
    attempt_fraction: Annotated[
        Number,
        Setting(
            "share of a layer's channels in one attempt",
            heading="channels tried",
            label="the share of channels tried",
        ),
    ] = Field(0.1, gt=0, lt=1)
    layers_per_step: Annotated[
        Number,
        Setting(
            "share of the layers that a progressive step cuts",
            heading="layers cut a step",
            label="the share of layers cut in a step",
        ),
    ] = Field(0.25, gt=0, le=1)
    # Without one it is the criterion's own: per saving where its scores compare across layers, else the score.
    rank: Annotated[
        Rank | None,
        Setting(
            "of one-shot, over the whole network: by score, or by score per unit saved: score | per-saving "
            "(obs: per-saving)",
            heading="channels ranked by",
            label="the ranking of channels",
            later=True,
        ),
    ] = None
    select: Annotated[
        Literal["per-saving", "rise"],
        Setting("smallest rise per unit saved, or smallest rise: per-saving | rise", heading="ranked by"),
    ] = "per-saving"
    least_share: Annotated[
        Number,
        Setting("share of a layer's channels that always stays", heading="always kept", label="the share always kept"),
    ] = Field(0.0, ge=0, lt=1)


class AttemptSpec(Part):
    """How direct, progressive and alternate look for what to remove next."""

    # Without one it is the method's own: accuracy for direct, loss for progressive and alternate.
    measure: Annotated[
        Measure | None,
        Setting(
            f"of an attempt: {' | '.join(get_args(Measure))}",
            heading="attempts judged by",
            label="the measure of attempts",
            costs_time=True,
        ),
    ] = None
    race: Annotated[
        Flag,
        Setting("drop attempts early that can no longer be among the best", label="the race", costs_time=True),
    ] = False


class TargetSpec(Part):
    metric: Annotated[
        TargetMetric,
        Setting(f"what the ratios are of: {' | '.join(get_args(TargetMetric))}", heading="target"),
    ] = "macs"
    keep: Annotated[
        tuple[Annotated[Number, Field(gt=0, le=1)], ...],
        Setting("ratios to keep, each in (0, 1]", column=None, label="the ratios to keep"),
    ] = (0.8, 0.6, 0.4)
    # The question asked the other way round: one of these two in place of ratios, which are none then.
    lose: Annotated[
        Annotated[Number, Field(gt=0, lt=100)] | None,
        Setting(
            "in place of --keep: points of validation accuracy to lose at most, such as 1.0; the smallest network that "
            "keeps the rest is looked for",
            heading="points to lose",
            label="the number of points to lose",
            later=True,
        ),
    ] = None
    at_least: Annotated[
        Annotated[Number, Field(gt=0, lt=1)] | None,
        Setting(
            "the same said as a share: the smallest network whose validation accuracy is at least this, such as 0.91",
            heading="accuracy to keep",
            label="the accuracy to keep",
            later=True,
        ),
    ] = None
    also_criteria: Annotated[
        tuple[str, ...],
        Setting(
            "criteria that the smallest network is looked for with, too; several joined by commas",
            "--also-criterion",
            heading="other criteria tried",
            label="the other criteria",
            costs_time=True,
            later=True,
        ),
    ] = Field((), description="a list of names of criteria")
    also_depth_shares: Annotated[
        tuple[Annotated[Number, Field(ge=0, le=1)], ...],
        Setting(
            "layers' shares that it is looked for with, too, such as 0,1",
            "--also-depth-share",
            heading="other layers' shares tried",
            label="the other layers' shares",
            costs_time=True,
            later=True,
        ),
    ] = ()
    depth_share: Annotated[Number, Setting("0 channels only … 1 layers only", label="the layers' share")] = Field(
        0.5, ge=0, le=1
    )
    latency_table: Annotated[  # of another machine; without one, this machine's is measured
        Text | None,
        Setting("a machine's layer latencies, from `table`", label="the table of layer latencies", path=True),
    ] = None

    @property
    def asks_accuracy(self) -> bool:
        """Whether an accuracy is asked for, and the smallest network that has it is looked for."""
        return self.lose is not None or self.at_least is not None

    def least_accuracy(self, baseline: float) -> float:
        """The validation accuracy, a share, that is asked for, given the untouched network's."""
        if self.at_least is not None:
            return self.at_least
        return baseline - (self.lose or 0.0) / 100

    @model_validator(mode="before")
    @classmethod
    def _accuracy_stands_for_ratios(cls, raw: Any) -> Any:
        asks = isinstance(raw, Mapping) and any(raw.get(name) is not None for name in ("lose", "at_least"))
        return {**raw, "keep": ()} if asks and "keep" not in raw else raw

    @field_validator("keep")
    @classmethod
    def _few_and_different(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) > MOST_TARGETS:
            raise ValueError(f"must name 1 to {MOST_TARGETS} ratios to keep (got {len(value)})")
        twice = next((ratio for n, ratio in enumerate(value) if ratio in value[:n]), None)
        if twice is not None:
            raise ValueError(f"names {twice:g} twice; each ratio to keep may stand only once")
        return value


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
            "training images that reconstruction looks at; where nothing is said 1,024, of large images fewer",
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
            "fine-tune after each phase, or the last one only", "--recover-between", heading="recovery between phases"
        ),
    ] = True
    # A recovery by itself.
    reestimate_bn: Annotated[
        Flag,
        Setting(
            "measure batch norm statistics anew before fine-tuning", "--recover-bn", heading="batch norm re-estimated"
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
