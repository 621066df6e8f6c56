"""Small networks as strangers write them: one for each kind of operation. Images are 3×8×8, classes 3."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

IMAGE, CLASSES, WIDTH = (3, 8, 8), 3, 8


class Net(nn.Module):
    """A stem, what each kind does in between, and a head on the mean over positions."""

    width_out = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.build()
        self.head = nn.Linear(self.width_out, CLASSES)

    def build(self) -> None:
        self.mix = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(F.relu(self.stem(x))).mean((2, 3)))

    def body(self, x: Tensor) -> Tensor:
        return self.mix(x)


def after(*modules: Callable[[], nn.Module], width: int = WIDTH) -> type[Net]:
    """A network of modules in a row behind the stem, and a convolution between them and the head."""

    class Row(Net):
        def build(self) -> None:
            self.row = nn.Sequential(*(make() for make in modules))
            self.last = nn.Conv2d(width, WIDTH, 1)

        def body(self, x: Tensor) -> Tensor:
            return self.last(self.row(x))

    return Row


def doing(operation: Callable[[Tensor], Tensor]) -> type[Net]:
    """A network that does something between two convolutions."""

    class Doing(Net):
        def body(self, x: Tensor) -> Tensor:
            return self.mix(operation(x))

    return Doing


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


class ScaledLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x * 0.5, self.weight, self.bias) + 1


class Hourglass(Net):
    """Transposed convolutions, plain, grouped and depthwise, interpolation and concatenation."""

    def build(self) -> None:
        self.down = nn.Conv2d(WIDTH, 12, 3, stride=2, padding=1)
        self.up, self.grouped = nn.ConvTranspose2d(12, 8, 2, stride=2), nn.ConvTranspose2d(12, 8, 2, 2, groups=4)
        self.alone = nn.ConvTranspose2d(8, 16, 3, padding=1, groups=8)

    width_out = 16 + 8 + 12

    def body(self, x: Tensor) -> Tensor:
        low = F.relu(self.down(F.pad(x, (1, 1, 1, 1), mode="reflect")))
        size = (10, 10)
        parts = [self.alone(self.up(low)), self.grouped(low), F.interpolate(low, size=size, mode="bilinear")]
        return torch.cat(parts, 1)


class OneDimensional(Net):
    """Convolutions over rows as a sequence."""

    def build(self) -> None:
        self.row, self.back = nn.Conv1d(WIDTH, 12, 3, padding=1), nn.ConvTranspose1d(12, WIDTH, 3, padding=1)

    def body(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool1d(self.back(F.max_pool1d(self.row(x.flatten(2)), 2)), 16)
        return y.unsqueeze(-1)


class Shuffled(Net):
    """Channels split by their own number, as ShuffleNet's authors write it; by a function, and by chunks and GLU."""

    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 16, 1), nn.Conv2d(16, WIDTH, 1)
        self.glu = nn.Sequential(nn.GLU(1), nn.ChannelShuffle(2))
        self.grouped = nn.Conv2d(WIDTH, 16, 1, groups=2)

    def body(self, x: Tensor) -> Tensor:
        x = self.a(x)
        half = x.shape[1] // 2
        left, right = x[:, :half], x[:, half:]
        x = self.grouped(self.glu(torch.cat([right, left * 2], 1)))
        b, c, h, w = x.shape
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        return self.b(x.chunk(2, 1)[0].repeat(1, 2, 1, 1) + x)


class Halves(Net):
    """Splits whose size is written in the code: those channels stay, tied by position."""

    def build(self) -> None:
        self.a, self.mix = nn.Conv2d(WIDTH, 12, 1), nn.Conv2d(12, 10, 1)
        self.last = nn.Conv2d(12, 12, 1)

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        left, right = torch.split(self.a(x), 6, 1)
        x = torch.cat([left * torch.sigmoid(right), right], 1)
        one, two = x.narrow(1, 0, 4), x[:, 4:]
        return self.last(torch.cat([two, one], 1)) + self.mix(x).unbind(1)[0].unsqueeze(1)


class PixelShuffled(Net):
    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 16, 1), nn.Conv2d(16, WIDTH, 1)
        self.up, self.down = nn.PixelShuffle(2), nn.PixelUnshuffle(2)
        self.c = nn.Conv2d(4, 4, 3, padding=1)

    def body(self, x: Tensor) -> Tensor:
        return self.b(self.down(self.c(self.up(self.a(x)))))


class Focus(Net):
    """Every second pixel, four times, side by side."""

    def build(self) -> None:
        self.a = nn.Conv2d(4 * WIDTH, WIDTH, 1)

    def body(self, x: Tensor) -> Tensor:
        pieces = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.a(torch.cat(pieces, 1))


class OptionA(Net):
    """A shortcut that pads channels by a number in the code, as many CIFAR ResNets do."""

    def build(self) -> None:
        self.a, self.b = nn.Conv2d(WIDTH, 12, 3, stride=2, padding=1), nn.Conv2d(12, 12, 3, padding=1)

    width_out = 12

    def body(self, x: Tensor) -> Tensor:
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0)
        return F.relu(self.b(F.relu(self.a(x))) + short)


class Einsum(Net):
    def body(self, x: Tensor) -> Tensor:
        squeezed = torch.einsum("nchw->nc", x) / 64
        turned = torch.einsum("nchw->nhwc", self.mix(x))
        return (turned * squeezed[:, None, None]).permute(0, 3, 1, 2)


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


class Flattened(Net):
    """The classifier's input as the first tutorial has it, with the number in the code."""

    width_out = 4 * 16

    def build(self) -> None:
        self.a = nn.Conv2d(WIDTH, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.a(F.relu(self.stem(x))), 2)
        return self.head(x.view(-1, 4 * 4 * 4))


class OwnParameters(nn.Module):
    """A convolution that is no `nn.Conv2d`, and a norm that is no norm."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outs, ins, 3, 3) / 4), nn.Parameter(torch.rand(outs))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, bias=self.bias, padding=1)


_ACTIVATIONS = (nn.CELU, nn.SELU, nn.Softsign, nn.LogSigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Mish)

KINDS: dict[str, type[Net]] = {
    "group norm": after(lambda: nn.Conv2d(8, 12, 3), lambda: nn.GroupNorm(4, 12), nn.ReLU, width=12),
    "group norm of one group": after(lambda: nn.Conv2d(8, 12, 3), lambda: nn.GroupNorm(1, 12), width=12),
    "group norm, own forward": after(lambda: nn.Conv2d(8, 12, 3), lambda: GroupNormAct(3, 12), width=12),
    "instance norm": after(
        lambda: nn.InstanceNorm2d(8, affine=True), lambda: nn.InstanceNorm2d(8, track_running_stats=True)
    ),
    "synchronised batch norm": after(lambda: nn.SyncBatchNorm(8)),
    "batch norm, own forward": after(lambda: nn.Conv2d(8, 12, 1), lambda: BatchNormAct(12), width=12),
    "frozen batch norm": after(lambda: nn.Conv2d(8, 12, 1), lambda: FrozenBatchNorm2d(12), width=12),
    "layer norm, own forward": after(lambda: nn.Conv2d(8, 12, 1), lambda: LayerNormFirst(12), width=12),
    "same padding": after(lambda: SameConv(8, 12, 3, 2), lambda: SameConv(12, 12, 5, groups=12), width=12),
    "overridden inside": after(lambda: OverriddenConv(8, 12, 3), width=12),
    "own parameters": after(lambda: OwnParameters(8, 12), nn.PReLU, lambda: nn.PReLU(12), width=12),
    "activations": after(*_ACTIVATIONS, lambda: nn.Threshold(0.1, 0.2), nn.Softmax2d, nn.RReLU),
    "padding": after(lambda: nn.ZeroPad2d(1), lambda: nn.ReflectionPad2d((1, 0, 2, 1)), lambda: nn.CircularPad2d(1)),
    "resizing": after(lambda: nn.Upsample(scale_factor=2, mode="bicubic"), lambda: nn.Upsample((9, 7))),
    "turned": doing(lambda x: torch.rot90(torch.flip(x, (1, 3)), 1, (2, 3)) + torch.roll(x, 1, 2)),
    "normalised": doing(lambda x: F.normalize(x, dim=1) + F.log_softmax(x, 1) + F.softmax(x.flatten(2), -1).view_as(x)),
    "reduced": doing(
        lambda x: x - x.amax(1, keepdim=True) + x.std(1, keepdim=True, unbiased=False) * x.var((2, 3), keepdim=True)
    ),
    "stacked": doing(lambda x: torch.stack([x, x * 2, x.abs()], 2).max(2).values + torch.stack([x, x], -1)[..., 0]),
    "rows side by side": doing(lambda x: torch.cat([x, x.flip(2)], 2).unflatten(2, (2, -1)).sum(2)),
    "squared": doing(lambda x: torch.where(x > 0.1, x**2, torch.exp(-x)) + torch.maximum(x, x.sqrt())),
    "shared norm": SharedNorm,
    "shared layer norm": SharedLayerNorm,
    "learned scalars": ReZero,
    "layer scale": LayerScale,
    "spatial gate": SpatialGate,
    "channel and spatial attention": CBAM,
    "squeeze and excite": SqueezeExcite,
    "selective kernel": SelectiveKernel,
    "ConvNeXt": ConvNeXtBlock,
    "hourglass": Hourglass,
    "one dimension": OneDimensional,
    "shuffled": Shuffled,
    "halves": Halves,
    "pixel shuffle": PixelShuffled,
    "focus": Focus,
    "padded shortcut": OptionA,
    "einsum": Einsum,
    "weighted branches": Weighted,
    "registered twice": Registered,
    "flattened": Flattened,
}
