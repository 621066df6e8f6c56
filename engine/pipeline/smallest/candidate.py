"""What a search tries ratios with: a criterion, and a split between layers and channels. No torch."""

from dataclasses import dataclass
from itertools import product

from engine.spec.run import RunSpec


@dataclass(frozen=True)
class Candidate:
    """A criterion and the layers' share of the cut."""

    criterion: str
    depth_share: float

    def request(self, spec: RunSpec, keep: float) -> RunSpec:
        """The request that cuts the same network with this candidate to a ratio."""
        target = {"keep": (keep,), "depth_share": self.depth_share, "also_criteria": (), "also_depth_shares": ()}
        changed = spec.target.model_copy(update={**target, "lose": None, "at_least": None})
        return spec.model_copy(update={"criterion": self.criterion, "target": changed})

    def name(self, spec: RunSpec) -> str:
        """As the trajectory of its tries is called, unique in a run."""
        return f"{self.criterion} {self.depth_share:g}" if len(spec.phases()) > 1 else self.criterion


def candidates(spec: RunSpec) -> list[Candidate]:
    """All that a request names, the criterion and the share that any run has first."""
    criteria = (spec.criterion, *spec.target.also_criteria)
    shares = (spec.target.depth_share, *spec.target.also_depth_shares)
    return [Candidate(criterion, share) for criterion, share in product(criteria, shares)]
