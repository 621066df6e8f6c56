"""Which of timm's networks are cut, and why the others are not.

    python -m benchmarks.timm_networks [NAME …] [--all] [--keep 0.6] [--json]

Each network is made without weights for 10 classes, at the smallest images that it takes (64 px or more). Channels are
dropped by their L1 norm until `--keep` of its MACs are left, and then: the cut network must equal the masked one, the
arithmetic must agree with torch's own counter of operations and with the number of parameters, and its ONNX file must
give the same logits. Names are timm's, without the prefix; without any, one small network of each family. Exit code 1
when a network crashes or is miscounted: one that is refused by the name of its operation does not count as that.
"""

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import engine
from engine.errors import RequestError, WorkError
from engine.interface.pruned import PrunedModel
from engine.spec import catalog
from engine.spec.networks import timm_names
from engine.zoo import build
from engine.zoo.makers import published_for

CLASSES = 10
SIDES = (64, 96, 128, 160, 192, 224, 256)  # px
# One small network of each family; some of them hold attention.
_NAMES = """
    convmixer_768_32 cpubone_nano cs3darknet_focus_s csatv2 cspnext_tiny densenet121 dla46x_c dpn48b ecaresnet26t
    edgenext_xx_small efficientnet_lite0 efficientvit_b0 ese_vovnet19b_slim_dw fasternet_t0 fastvit_t8 fbnetc_100
    gernet_s ghostnet_050 halonet_h1 hardcorenas_b hgnetv2_b0 hrnet_w18_small iformer_t inception_next_atto
    inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small legacy_seresnet18 legacy_xception lowformer_b0 mixnet_s
    mnasnet_small mobilenet_edgetpu_v2_xs mobilenetv2_050 mobilenetv3_small_050 mobilenetv5_base mobileone_s0
    nasnetalarge nextvit_small pnasnet5large poolformerv2_s12 rdnet_tiny regnetx_002 repghostnet_050 repvgg_a0 repvit_m1
    res2next50 resnest14d resnetv2_18 resnext26ts rexnet_100 selecsls42 seresnet18 shvit_s1 skresnet18 spnasnet_100
    starnet_s050 swiftformer_xs test_byobnet test_convnext test_efficientnet test_mambaout test_nfnet test_resnet
    tf_efficientnet_b0 tinynet_e tresnet_m vgg11 visformer_tiny xception41p
"""
FAMILIES = _NAMES.split()


@dataclass(frozen=True)
class Outcome:
    """What became of one network: `cut`, `refused` with the reason, `miscounted` or `crashed`."""

    name: str
    family: str
    verdict: str
    reason: str
    side: int  # px of the images
    macs: int
    kept: float  # share of the MACs
    seconds: float


def examine(name: str, keep: float) -> Outcome:
    """Cut timm/NAME and compare everything that is known of it twice."""
    start = time.monotonic()
    torch.manual_seed(0)
    verdict, reason, side, macs, kept = "crashed", "", 0, 0, 0.0
    try:
        module = build.construct(f"timm/{name}", CLASSES).eval()
        sides = [smallest_side(name), published_for(f"timm/{name}")[0][1]]
        for side in sides:
            pruned = engine.prune(module, image=(3, side, side), keep=keep)
            macs, kept = pruned.cost.before.macs, pruned.cost.macs_share
            try:
                reason = difference(pruned)
                break
            except WorkError:  # a pool that ONNX has at the network's own size only
                if side == sides[-1]:
                    raise
        verdict = "miscounted" if reason else "cut"
    except RequestError as error:
        verdict, reason = "refused", str(error)
    except Exception as error:  # what is looked for here
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    family = timm_names.family_of(f"timm/{name}")
    return Outcome(name, family, verdict, reason, side, macs, kept, time.monotonic() - start)


def smallest_side(name: str) -> int:
    """The side in px of the smallest square images that a network takes; its own where it takes none of the usual."""
    for side in SIDES:
        try:
            build.check(f"timm/{name}", CLASSES, (3, side, side))
        except RequestError:
            continue
        return side
    return published_for(f"timm/{name}")[0][1]


def difference(pruned: PrunedModel) -> str:
    """How the arithmetic differs from what torch counts on the cut network, in words; "" where it does not.

    WorkError when ONNX Runtime does not give the same logits.
    """
    counted, parameters = macs_of(pruned.module, pruned.plan.image), sum(p.numel() for p in pruned.module.parameters())
    after = pruned.cost.after
    if counted != after.macs:
        return f"{after.macs:,} MACs by arithmetic, {counted:,} by torch's counter"
    if parameters != after.params:
        return f"{after.params:,} parameters by arithmetic, {parameters:,} in the network"
    with tempfile.TemporaryDirectory() as scratch:
        engine.export(pruned.module, Path(scratch) / "cut.onnx", pruned.plan.image)
    return ""


def macs_of(module: nn.Module, image: tuple[int, int, int]) -> int:
    """Multiply–accumulates of one image by torch's own counter, which counts two for each; shapes will do."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, *image, device=next(module.parameters()).device))
    return int(counter.get_total_flops()) // 2


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """A row for each network, and a line with the sums."""
    table = Table("network", "family", "verdict", "px", "MACs", "kept", "s", "why")
    for o in outcomes:
        kept = f"{o.kept:.3f}" if o.kept else ""
        table.add_row(o.name, o.family, o.verdict, str(o.side), f"{o.macs:,}", kept, f"{o.seconds:.1f}", o.reason[:160])
    console.print(table)
    counts = {v: sum(o.verdict == v for o in outcomes) for v in ("cut", "refused", "miscounted", "crashed")}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + f" of {len(outcomes)}")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 when a network crashed or was miscounted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks of timm; one of each family by default")
    parser.add_argument("--all", action="store_true", help="every convolutional network of timm")
    parser.add_argument("--keep", type=float, default=0.6, help="share of the MACs that stays")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    names = [name.removeprefix("timm/") for name in catalog.TIMM_MODELS] if options.all else options.names or FAMILIES
    outcomes = []
    for name in names:
        with contextlib.redirect_stdout(sys.stderr):  # which exporters print on
            outcomes.append(examine(name, options.keep))
        print(f"{name}: {outcomes[-1].verdict} {outcomes[-1].reason}"[:300], file=sys.stderr, flush=True)
    if options.json:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"networks": [asdict(outcome) for outcome in outcomes], "peak_rss_kib": peak}))
    else:
        show(outcomes, Console(width=200))
    return int(any(outcome.verdict in ("miscounted", "crashed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
