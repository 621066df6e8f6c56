import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.data.load import Split
from engine.data.loader import batches
from engine.errors import WorkError
from engine.train.evaluate import evaluate, reestimate_bn
from tests.support import tiny


def test_evaluation_equals_a_plain_loop():
    torch.manual_seed(0)
    data = tiny.data()
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 12)).eval()
    images = torch.randint(0, 256, (97, 3, 16, 16), dtype=torch.uint8)
    split = Split(images=images, labels=torch.randint(0, 12, (97,)))
    got = evaluate(module, split, data, "cpu", batch_size=10)
    correct = top5 = 0
    losses = []
    for image, label in zip(images, split.labels.tolist(), strict=True):
        logits = module((image[None].float() / 255 - 0.5) / 0.25)[0]
        order = logits.argsort(descending=True).tolist()
        correct += order[0] == label
        top5 += label in order[:5]
        losses.append(-F.log_softmax(logits, dim=0)[label].item())
    assert (got.correct, got.top5, got.total) == (correct, top5, 97)
    assert 0 < correct < top5 < 97
    assert got.loss == pytest.approx(sum(losses) / 97, rel=1e-5)
    assert got.top1 == correct / 97
    assert got.top5_share == top5 / 97


def test_with_fewer_than_five_classes_every_label_is_in_the_top_five():
    data = tiny.data()
    assert evaluate(tiny.network(), data.val, data, "cpu").top5 == 40


def test_the_batch_size_does_not_change_the_counts():
    data = tiny.data()
    module = tiny.network()
    one, all_at_once = (evaluate(module, data.val, data, "cpu", batch_size=b) for b in (1, 40))
    assert (one.correct, one.top5, one.total) == (all_at_once.correct, all_at_once.top5, all_at_once.total)
    assert one.loss == pytest.approx(all_at_once.loss, rel=1e-5)


def test_modes_and_weights_are_left_as_found():
    data = tiny.data()
    module = tiny.network().train()
    module[1].eval()
    before, modes = tiny.state(module), [m.training for m in module.modules()]
    evaluate(module, data.val, data, "cpu")
    assert tiny.same(before, tiny.state(module))
    assert [m.training for m in module.modules()] == modes


def test_an_empty_split_cannot_be_evaluated():
    data = tiny.data()
    empty = Split(images=data.val.images[:0], labels=data.val.labels[:0])
    with pytest.raises(WorkError, match="no images"):
        evaluate(tiny.network(), empty, data, "cpu")


def test_outputs_that_are_not_finite_are_no_accuracy():
    data = tiny.data()
    module = tiny.network()
    with torch.no_grad():
        module[9].bias[0] = math.nan
    with pytest.raises(WorkError, match="not finite"):
        evaluate(module, data.val, data, "cpu")


def test_batch_norm_statistics_are_the_mean_over_batches():
    data = tiny.data()
    module = tiny.network(dropout=0.5).train()
    module[1].momentum = 0.3
    module[0].eval()
    modes = [m.training for m in module.modules()]
    with torch.no_grad():
        seen = [module[0](images) for images, _ in batches(data.train, data, 25, "cpu", seed=0)][:3]
    reestimate_bn(module, data.train, data, "cpu", batches=3, batch_size=25)
    torch.testing.assert_close(module[1].running_mean, torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0))
    torch.testing.assert_close(module[1].running_var, torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0))
    assert module[1].num_batches_tracked == 3
    assert (module[1].momentum, module[4].momentum) == (0.3, 0.1)
    assert [m.training for m in module.modules()] == modes


def test_without_batch_norm_there_is_nothing_to_measure():
    data = tiny.data()
    module = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    before = tiny.state(module)
    reestimate_bn(module, data.train, data, "cpu")
    assert tiny.same(before, tiny.state(module))


def test_statistics_are_kept_when_there_is_no_batch_to_measure_them_on():
    data = tiny.data(train=1)
    module = tiny.network()
    before = tiny.state(module)
    with pytest.raises(WorkError, match="at least one batch"):
        reestimate_bn(module, data.train, data, "cpu")
    assert tiny.same(before, tiny.state(module))
