"""What a check on an accelerator came to, and the settings that all checks share. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How much is worked on: enough for a card, or hardly anything for a try-out."""

    data: str  # where networks agree or not
    images: int  # of each split of it
    epochs: int  # of the network's training
    rate_images: int  # of a timed epoch, at least
    seconds: float  # of a timed loop
    depth: str  # the network whose training is timed
    wide: str  # the network whose reconstruction is timed
    wide_side: int  # px
    wide_images: int
    timed: float  # seconds of each latency


FULL = Sizes("clutter", 2000, 5, 50_000, 10.0, "resnet56", "torchvision/resnet50", 224, 256, 2.0)
TINY = Sizes("digits", 40, 1, 64, 0.1, "resnet20", "torchvision/resnet18", 32, 16, 0.0)


@dataclass(frozen=True)
class Finding:
    """One line of a table: the CPU's value and the device's, how far apart they may be, and whether they are not."""

    what: str
    cpu: str
    device: str
    difference: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.difference <= self.tolerance  # not a number fails, too

    def cells(self) -> list[str]:
        verdict = "agrees" if self.ok else "**differs**"
        return [self.what, self.cpu, self.device, f"{self.difference:.1e}", f"{self.tolerance:.0e}", verdict]


@dataclass(frozen=True)
class Section:
    """A part of the report: a table under a heading, with `wrong` for what is not as it should be."""

    title: str
    head: tuple[str, ...]
    rows: tuple[list[str], ...]
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_markdown(self) -> str:
        lines = [f"## {self.title}", "", _row(self.head), _row(["---"] * len(self.head)), *map(_row, self.rows)]
        return "\n".join([*lines, "", f"{self.seconds:.0f} s.", ""])


def compared(title: str, findings: list[Finding]) -> Section:
    """A section of values that should agree."""
    head = ("what", "CPU", "device", "difference", "allowed", "verdict")
    return Section(title, head, tuple(f.cells() for f in findings), tuple(f.what for f in findings if not f.ok))


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
