"""How a network is carried over to images of another domain, whose labels nobody reads. No torch."""

from typing import Annotated

from pydantic import Field

from engine.spec.parts.kinds import Flag, Number, Part, Whole
from engine.spec.settings import Setting


class TransferSpec(Part):
    """Of a pair of datasets, `SOURCE>TARGET`, alone."""

    adversarial: Annotated[
        Flag,
        Setting(
            "train the baseline, and recover, so that features do not tell the domains apart (of SOURCE>TARGET)",
            heading="domain-adversarial",
            label="domain-adversarial training",
            costs_time=True,
            later=True,
        ),
    ] = True
    adapt_epochs: Annotated[
        Whole,
        Setting(
            "epochs in which weights that are given are carried over before pruning (of SOURCE>TARGET)",
            heading="epochs of adapting",
            label="the number of epochs of adapting",
            costs_time=True,
            later=True,
        ),
    ] = Field(5, ge=0, le=100_000)
    pseudo_labels: Annotated[
        Flag,
        Setting(
            "judge and recover by target images that the network itself names with confidence, too (of SOURCE>TARGET)",
            heading="pseudo-labels",
            label="pseudo-labels",
            later=True,
        ),
    ] = True
    confidence: Annotated[
        Number,
        Setting("the least confidence of a pseudo-label", label="the confidence of pseudo-labels", later=True),
    ] = Field(0.9, ge=0, lt=1)
    refresh: Annotated[
        Whole,
        Setting(
            "epochs, or steps of an iterative method, after which pseudo-labels are made anew",
            heading="pseudo-labels made anew",
            label="the interval between pseudo-labels",
            later=True,
        ),
    ] = Field(1, ge=1, le=100_000)
    balance: Annotated[
        Flag,
        Setting(
            "no class has more pseudo-labels than the mean of all classes, the most confident ones",
            heading="pseudo-labels balanced",
            label="the balance of pseudo-labels",
            later=True,
        ),
    ] = True
