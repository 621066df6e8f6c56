"""Networks whose layers, norms, gates and learned numbers are written as strangers write them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support.strangers.net import WIDTH, Net


class SharedNorm(Net):
    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 12, 3, padding=1), nn.Conv2d(12, 12, 1)
        self.norm, self.act = nn.BatchNorm2d(12), nn.PReLU(12)

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.b(self.act(self.norm(self.a(x))))))


class SharedLayerNorm(Net):
    def build(self) -> None:
        self.a, self.b, self.norm = nn.Linear(WIDTH, 12), nn.Linear(12, 12), nn.LayerNorm(12)

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        x = self.norm(self.a(x.permute(0, 2, 3, 1)))
        return self.norm(self.b(x)).permute(0, 3, 1, 2)


class ReZero(Net):
    """Learned scalars of no axis, of one and of four; a gain that starts at 0 is given a value, to be seen."""

    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 12, 3, padding=1), nn.Conv2d(12, WIDTH, 1)
        self.gain, self.skip = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.ones(1, 1, 1, 1))
        self.power = nn.Parameter(torch.full((1,), 1.5))

    def body(self, x: Tensor) -> Tensor:
        y = self.b(F.relu(self.a(x)))
        return self.skip * x + self.gain * y.abs().clamp(min=1e-3).pow(self.power).pow(1.0 / self.power)


class LayerScale(Net):
    """Parameters of one number per channel, by shapes of one to four axes, and one of a number per place."""

    def build(self) -> None:
        self.a = nn.Conv2d(WIDTH, 12, 3, padding=1)
        self.one, self.three = nn.Parameter(torch.rand(12) + 0.5), nn.Parameter(torch.rand(12, 1, 1) + 0.5)
        self.four, self.places = nn.Parameter(torch.rand(1, 12, 1, 1)), nn.Parameter(torch.rand(1, 12, 8, 8))
        self.grid = nn.Parameter(torch.rand(1, 1, 8, 8))

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        x = self.a(x) * self.three + self.four + self.places
        return x * self.one.view(1, -1, 1, 1) + self.one[:, None, None] + self.grid


class SpatialGate(Net):
    """A gate of one channel over the positions, broadcast by itself, by expand_as and by repeat."""

    def build(self) -> None:
        self.gate, self.mix = nn.Conv2d(WIDTH, 1, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 1)

    def body(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return self.mix(x * gate + x * gate.expand_as(x) + x * gate.expand(-1, x.shape[1], -1, -1))


class CBAM(Net):
    """Channel attention by a shared perceptron, then a gate from the mean and the largest of all channels."""

    def build(self) -> None:
        self.down, self.up = nn.Conv2d(WIDTH, 4, 1), nn.Conv2d(4, WIDTH, 1)
        self.gate, self.mix = nn.Conv2d(2, 1, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 1)

    def body(self, x: Tensor) -> Tensor:
        pooled = [F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)]
        a, b = (self.up(F.relu(self.down(y))) for y in pooled)
        x = x * torch.sigmoid(a + b)
        squeezed = torch.cat([x.mean(1, keepdim=True), torch.max(x, dim=1, keepdim=True)[0]], 1)
        return self.mix(x * torch.sigmoid(self.gate(squeezed)))


class SqueezeExcite(Net):
    """By linear layers, as most write it: `b, c, _, _ = x.size()`."""

    def build(self) -> None:
        self.fc = nn.Sequential(nn.Linear(WIDTH, 4), nn.ReLU(inplace=True), nn.Linear(4, WIDTH), nn.Sigmoid())
        self.mix = nn.Conv2d(WIDTH, WIDTH, 1)

    def body(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.fc(F.adaptive_avg_pool2d(x, 1).view(b, c)).view(b, c, 1, 1)
        return self.mix(x * y.expand_as(x))


class SelectiveKernel(Net):
    """Two branches, weighed against each other by a softmax over the branches."""

    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 12, 3, padding=1), nn.Conv2d(WIDTH, 12, 5, padding=2)
        self.squeeze, self.choose = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 24, 1)

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        both = torch.stack([self.a(x), self.b(x)], dim=1)
        weights = self.choose(F.relu(self.squeeze(both.sum(1).mean((2, 3), keepdim=True))))
        weights = weights.view(x.size(0), 2, -1, 1, 1).softmax(1)
        return (both * weights).sum(dim=1)


class GRN(nn.Module):
    """Global response norm, channels last (Woo et al. 2023)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(1, 1, 1, width)), nn.Parameter(torch.rand(1, 1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        gx = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        nx = gx / (gx.mean(dim=-1, keepdim=True) + 1e-6)
        return self.gamma * (x * nx) + self.beta + x


class ConvNeXtBlock(Net):
    """A depthwise convolution, a layer norm of its own, two linear layers with GRN between, and a skip."""

    def build(self) -> None:
        self.dw, self.norm = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH), OwnLayerNorm(WIDTH)
        self.up, self.grn, self.down = nn.Linear(WIDTH, 16), GRN(16), nn.Linear(16, WIDTH)

    def body(self, x: Tensor) -> Tensor:
        y = self.norm(self.dw(x)).permute(0, 2, 3, 1)
        return x + self.down(self.grn(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class OwnLayerNorm(nn.Module):
    """Channels first, written out, as ConvNeXt's first code has it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(width) + 0.5), nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class LayerNormFirst(nn.LayerNorm):
    """A subclass with a forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class BatchNormAct(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, 0.1, self.eps)
        return F.silu(x)


class GroupNormAct(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps))


class SameConv(nn.Conv2d):
    """Pads by what it finds, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class OverriddenConv(nn.Conv2d):
    """The forward is the parent's, and what it calls is not."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        return F.conv2d(F.pad(x, (2, 2, 2, 2)), weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Weighted(Net):
    """Branches weighed by learned numbers, as a feature pyramid does."""

    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 12, 1), nn.Conv2d(WIDTH, 12, 3, padding=1)
        self.weights = nn.Parameter(torch.tensor([0.4, 0.8]))

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        w = F.relu(self.weights)
        w = w / (w.sum() + 1e-4)
        return w[0] * self.a(x) + w[1] * self.b(x)


class Registered(Net):
    """A module under two names, a part that evaluation never runs, and constants of the forward."""

    def build(self) -> None:
        self.mix = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.row = nn.Sequential(self.mix, nn.ReLU())
        self.auxiliary = nn.Linear(5, 2)
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))

    def forward(self, x: Tensor, features: bool = False) -> Tensor:
        x = self.stem((x - self.mean) * torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1))
        x = self.row(x)
        if features or x.shape[-1] < 4:
            return x
        for size in x.shape[2:]:
            x = x / size
        assert x.dim() == 4, "images"
        return self.head(x.flatten(2).std(-1) + x.amax(dim=(2, 3)))


class OwnParameters(nn.Module):
    """A convolution that is no `nn.Conv2d`, and a norm that is no norm."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outs, ins, 3, 3) / 4), nn.Parameter(torch.rand(outs))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, bias=self.bias, padding=1)
