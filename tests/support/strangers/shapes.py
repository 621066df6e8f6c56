"""Networks that split, shuffle, resize, turn and join what flows through them, as strangers write it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support.strangers.net import WIDTH, Net


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


class Flattened(Net):
    """The classifier's input as the first tutorial has it, with the number in the code."""

    width_out = 4 * 16

    def build(self) -> None:
        self.a = nn.Conv2d(WIDTH, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.a(F.relu(self.stem(x))), 2)
        return self.head(x.view(-1, 4 * 4 * 4))
