"""What reconstruction would leave over is what plain ridge regression on the network's values leaves over."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.calibration import Calibration
from engine.criteria.reconstruction.leftover import GLANCE, Leftover, Look
from engine.criteria.reconstruction.takeover import find_takeovers
from engine.criteria.reconstruction.trials import Trials
from engine.criteria.registry import score_blocks
from engine.errors import WorkError
from engine.graph.summarize import Structure, summarize
from engine.surgery import plan
from engine.surgery.plan import Step, channel_step
from engine.surgery.reconstruction import grams
from engine.surgery.reconstruction.grams import measure_grams

RIDGE = 1e-3
IMAGE = (3, 6, 6)


class Residual(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x)


class Net(nn.Module):
    """A stem, three residual blocks in a row, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.a, self.b, self.c = Residual(6, 5), Residual(6, 5), Residual(6, 5)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.c(self.b(self.a(F.relu(self.bn(self.stem(x)))))).mean((2, 3)))


class Unit(nn.Sequential):
    def __init__(self, width_in: int, width: int, *, depthwise: bool = False) -> None:
        conv = nn.Conv2d(width_in, width, 3, padding=1, bias=False, groups=width if depthwise else 1)
        super().__init__(conv, nn.BatchNorm2d(width), nn.ReLU())


class Inverted(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Unit(width, 8), Unit(8, 8, depthwise=True), nn.Conv2d(8, width, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def head(width: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4)]


NETWORKS = {
    "residual": Net,
    "plain": lambda: nn.Sequential(Unit(3, 6), Unit(6, 6), Unit(6, 6), nn.MaxPool2d(2), Unit(6, 6), *head(6)),
    "depthwise": lambda: nn.Sequential(Unit(3, 6), Unit(6, 6, depthwise=True), Unit(6, 6), *head(6)),
    "inverted": lambda: nn.Sequential(Unit(3, 6), nn.MaxPool2d(2), Inverted(6), Inverted(6), *head(6)),
}


def build(kind: str) -> tuple[nn.Module, Structure]:
    torch.manual_seed(3)
    module = NETWORKS[kind]().eval()
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.3, 0.5)
    return module, summarize(module, IMAGE)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(48, *IMAGE, generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def values(module: nn.Module, images: Tensor, path: str, *, inputs: bool = False) -> Tensor:
    """What a module gives, or reads, for all images."""
    seen: list[Tensor] = []
    hook = module.get_submodule(path).register_forward_hook(
        lambda _m, read, out: seen.append((read[0] if inputs else out).clone())
    )
    module(images)
    hook.remove()
    return seen[0]


def rows(maps: Tensor) -> Tensor:
    """Samples × channels, centred, in double precision."""
    flat = maps.movedim(1, -1).flatten(0, -2).double()
    return flat - flat.mean(0)


def columns(maps: Tensor) -> Tensor:
    """What a 3×3 convolution reads: samples × channels·taps, centred."""
    flat = F.unfold(maps, 3, padding=1).transpose(1, 2).flatten(0, 1).double()
    return flat - flat.mean(0)


def folded(block: nn.Module) -> Tensor:
    """The weights of a block's last convolution with its norm: channels·taps × outputs."""
    norm = block.bn2
    return (
        (block.conv2.weight * (norm.weight / torch.sqrt(norm.running_var + norm.eps))[:, None, None, None])
        .flatten(1)
        .double()
        .T
    )


def share_left(read: Tensor, kept: Sequence[int], weight: Tensor, more: Tensor, end: Tensor) -> float:
    """The share of the variance of `end` that is left over when the columns `kept` are fitted to all·weight + more."""
    count = len(read)
    gram = read.T @ read / count
    damping = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    gram = gram + damping
    aim = gram @ weight + read.T @ more / count
    best = torch.linalg.solve(gram[kept][:, kept], aim[kept])
    whole = (
        (weight * (gram @ weight)).sum() + 2 * (weight * (read.T @ more)).sum() / count + more.square().mean(0).sum()
    )
    return float((whole - (best * aim[kept]).sum()) / end.square().mean(0).sum())


def before_relu(module: nn.Module, images: Tensor, block: str) -> Tensor:
    """The sum that ends a residual block."""
    return values(module, images, f"{block}.bn2") + values(module, images, block, inputs=True)


def test_a_block_costs_what_the_convolution_before_it_cannot_reproduce_of_its_end(images: Tensor):
    module, structure = build("residual")
    read = columns(values(module, images, "a.conv2", inputs=True))
    start, end = rows(before_relu(module, images, "a")), rows(before_relu(module, images, "b"))
    expected = share_left(read, range(45), folded(module.a).detach(), end - start, end)
    leftover = Leftover(structure, module, images, RIDGE, 0)
    (rise,) = leftover.rises([], structure, [Attempt("b", ("b",))])
    assert 0 < expected < 1
    assert rise == pytest.approx(expected**2, rel=1e-4)


def test_a_block_beside_a_removed_one_joins_it_and_one_layer_takes_over_both(images: Tensor):
    module, structure = build("residual")
    read = columns(values(module, images, "a.conv2", inputs=True))
    start = rows(before_relu(module, images, "a"))
    ends = [rows(before_relu(module, images, block)) for block in ("b", "c")]
    alone, both = (share_left(read, range(45), folded(module.a).detach(), end - start, end) for end in ends)
    step = Step(blocks=("b",))
    cut = copy.deepcopy(module)
    plan.apply(step, cut, structure)
    leftover = Leftover(structure, module, images, RIDGE, 0)
    (rise,) = leftover.rises([step], summarize(cut, IMAGE), [Attempt("c", ("c",))])
    assert rise == pytest.approx(both**2 - alone**2, rel=1e-4)


def test_channels_cost_what_the_others_cannot_make_up_for_by_the_rate_of_a_trial(images: Tensor):
    module, structure = build("residual")
    layer = structure.trace.layers["b.conv1"]
    dropped = frozenset(int(i) for i in layer.outs[[1, 3]])
    read = columns(values(module, images, "b.conv2", inputs=True))
    end = rows(before_relu(module, images, "b"))
    kept = [i for i in range(45) if i // 9 not in (1, 3)]
    expected = share_left(read, kept, folded(module.b).detach(), torch.zeros_like(end), end)
    attempt = Attempt("b.conv1", dropped=dropped)
    (alone,) = Leftover(structure, module, images[:30], RIDGE, 0).rises([], structure, [attempt])
    few = share_left(read[: 30 * 36], kept, folded(module.b).detach(), torch.zeros_like(end[: 30 * 36]), end[: 30 * 36])
    assert alone == pytest.approx(few, rel=5e-2)  # too few images for a trial
    (rise,) = Leftover(structure, module, images, RIDGE, 0).rises([], structure, [attempt])
    grams = {gram.layer: gram for gram in measure_grams(structure.trace, images, None, 0)}
    rate = Trials(structure, module, images, RIDGE, 0, lambda _: grams).rate("b.conv2")
    assert rise == pytest.approx(rate * expected, rel=1e-2)


def test_beside_blocks_channels_cost_the_square_of_what_is_left_over(images: Tensor):
    module, structure = build("residual")
    outs = structure.trace.layers["b.conv1"].outs
    read = columns(values(module, images, "b.conv2", inputs=True))
    end = rows(before_relu(module, images, "b"))
    expected = share_left(read, range(9, 45), folded(module.b).detach(), torch.zeros_like(end), end)
    attempts = [Attempt("c", ("c",)), Attempt("channels", dropped=frozenset([int(outs[0])]))]
    block, channels = Leftover(structure, module, images, RIDGE, 0).rises([], structure, attempts)
    assert channels == pytest.approx(expected**2, rel=1e-2)
    assert block == Leftover(structure, module, images, RIDGE, 0).rises([], structure, attempts[:1])[0]


def test_a_run_that_goes_on_judges_as_one_that_was_never_stopped(images: Tensor):
    module, structure = build("residual")
    outs = structure.trace.layers["b.conv1"].outs
    first, leftover = frozenset([int(outs[0])]), Leftover(structure, module, images, RIDGE, 0)
    leftover.rises([], structure, [Attempt("b.conv1", dropped=first)])
    cut, step = copy.deepcopy(module), channel_step(structure.trace, first)
    plan.apply(step, cut, structure)
    now = summarize(cut, IMAGE)
    attempts = [Attempt(x, dropped=frozenset([int(now.trace.layers[x].outs[0])])) for x in ("b.conv1", "stem")]
    fresh = Leftover(structure, module, images, RIDGE, 0)
    assert fresh.rises([step], now, attempts) == leftover.rises([step], now, attempts)


def test_costs_of_steps_add_up_to_that_of_one_step_that_does_the_same(images: Tensor):
    module, structure = build("residual")
    outs = structure.trace.layers["b.conv1"].outs
    together = Attempt("b.conv1", dropped=frozenset(int(i) for i in outs[[0, 2, 3]]))
    leftover = Leftover(structure, module, images, RIDGE, 0)
    (whole,) = leftover.rises([], structure, [together])
    first = frozenset(int(i) for i in outs[[0, 2]])
    (some,) = leftover.rises([], structure, [Attempt("b.conv1", dropped=first)])
    cut, step = copy.deepcopy(module), channel_step(structure.trace, first)
    plan.apply(step, cut, structure)
    now = summarize(cut, IMAGE)
    third = frozenset([int(now.trace.layers["b.conv1"].outs[1])])  # number 3 as it is counted now
    (rest,) = leftover.rises([step], now, [Attempt("b.conv1", dropped=third)])
    assert some + rest == pytest.approx(whole, rel=2e-2)


def test_a_state_that_does_not_go_on_from_the_last_one_is_looked_at_anew(images: Tensor):
    module, structure = build("residual")
    leftover = Leftover(structure, module, images, RIDGE, 0)
    attempts = [Attempt("c", ("c",))]
    before = leftover.rises([], structure, attempts)
    cut, step = copy.deepcopy(module), Step(blocks=("b",))
    plan.apply(step, cut, structure)
    assert leftover.rises([step], summarize(cut, IMAGE), attempts) != before
    assert leftover.rises([], structure, attempts) == before


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_removable_block_of_any_network_has_a_score(kind: str, images: Tensor):
    module, structure = build(kind)
    names = [block.name for block in structure.summary.blocks if block.removable]
    scores = Leftover(structure, module, images, RIDGE, 0).block_scores(names)
    assert set(scores) == set(names)
    assert len(set(scores.values())) == len(names)
    assert all(np.isfinite(score) and score > 0 for score in scores.values())


def attempts_on_blocks(structure: Structure) -> list[Attempt]:
    return [Attempt(block.name, block.modules) for block in structure.summary.blocks if block.removable]


def test_all_that_blocks_are_judged_by_comes_of_one_pass_through_the_network(images: Tensor):
    module, structure = build("residual")
    passed: list[int] = []

    def count(module: nn.Module, read: tuple[Tensor, ...]) -> None:
        if getattr(module, "in_channels", None) == 3 and len(read[0]) > 1:
            passed.append(len(read[0]))

    leftover = Leftover(structure, module, images, RIDGE, 0)
    with torch.nn.modules.module.register_module_forward_pre_hook(count):
        leftover.rises([], structure, attempts_on_blocks(structure))
    assert passed == [len(images)]


def test_blocks_cost_the_same_where_their_matrices_do_not_fit_into_memory_together(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
):
    module, structure = build("residual")
    together = Leftover(structure, module, images, RIDGE, 0).rises([], structure, attempts_on_blocks(structure))
    monkeypatch.setattr(grams, "MATRICES", 1)
    in_turn = Leftover(structure, module, images, RIDGE, 0).rises([], structure, attempts_on_blocks(structure))
    assert in_turn == pytest.approx(together, rel=1e-9)


def test_what_was_looked_at_for_channels_alone_changes_nothing_of_what_blocks_cost(images: Tensor):
    module, structure = build("residual")
    outs = structure.trace.layers["b.conv1"].outs
    channels = [Attempt("b.conv1", dropped=frozenset([int(outs[0])]))]
    attempts, few = [*attempts_on_blocks(structure), *channels], Look(20, 300)
    earlier = Leftover(structure, module, images, RIDGE, 0, few)
    alone = earlier.rises([], structure, channels)
    assert earlier.rises([], structure, attempts) == Leftover(structure, module, images, RIDGE, 0, few).rises(
        [], structure, attempts
    )
    assert earlier.rises([], structure, channels) == alone


@pytest.mark.parametrize("kind", ["residual", "plain"])
def test_a_glance_at_fewer_images_puts_blocks_in_the_same_order(kind: str):
    module, structure = build(kind)
    images = torch.randn(512, *IMAGE, generator=torch.Generator().manual_seed(7))
    attempts = attempts_on_blocks(structure)
    glance = Leftover(structure, module, images, RIDGE, 0, GLANCE).rises([], structure, attempts)
    first = Leftover(structure, module, images[: GLANCE.images], RIDGE, 0, Look(512, GLANCE.samples))
    whole = Leftover(structure, module, images, RIDGE, 0).rises([], structure, attempts)
    assert glance == first.rises([], structure, attempts) != whole
    assert np.argsort(glance).tolist() == np.argsort(whole).tolist()


def test_layers_that_cannot_be_refitted_take_nothing_over():
    module, structure = build("plain")
    assert [t.layer for t in find_takeovers(structure, module).values()] == ["0.0", "1.0", None]
    module, structure = build("depthwise")
    assert [t.layer for t in find_takeovers(structure, module).values()] == ["0.0", None]
    module, structure = build("inverted")
    takeovers = find_takeovers(structure, module)
    assert [(t.layer, t.follows) for t in takeovers.values()] == [(None, None), ("2.layers.2", "2")]


def test_what_nothing_takes_over_counts_in_full(images: Tensor):
    module, structure = build("inverted")
    (rise,) = Leftover(structure, module, images, RIDGE, 0).rises([], structure, [Attempt("2", ("2",))])
    end, added = rows(values(module, images, "2")), values(module, images, "2.layers").double()
    share = float(added.square().mean((0, 2, 3)).sum() / end.square().mean(0).sum())
    assert rise == pytest.approx(share**2, rel=1e-4)


def test_obs_scores_blocks_and_refuses_numbers_that_are_none(images: Tensor):
    module, structure = build("residual")
    batches = [(images, torch.zeros(len(images), dtype=torch.int64))]
    calibration = Calibration(module, structure.trace, lambda: iter(batches), torch.device("cpu"), 0)
    blocks = [block for block in structure.summary.blocks if block.removable]
    scores = score_blocks(calibration, blocks, "obs")
    assert set(scores) == {"a", "b", "c"}
    module.b.conv1.weight.data[0] = torch.nan
    with pytest.raises(WorkError, match=r"obs gives scores for .* not finite"):
        score_blocks(calibration, blocks, "obs")
