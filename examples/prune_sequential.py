"""A network of one's own: pruned by a criterion that looks at images, fine-tuned, saved and read back."""

import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

import engine


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip


images, labels = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))  # yours are real, and normalised
model = network()
pruned = engine.prune(model, image=(1, 28, 28), keep=0.4, criterion="taylor", calibration=(images, labels))
print(pruned)

optimizer = torch.optim.SGD(pruned.module.parameters(), lr=0.01)
loss = nn.functional.cross_entropy(pruned.module.train()(images), labels)
torch.autograd.backward(loss)
optimizer.step()

with tempfile.TemporaryDirectory() as scratch:
    folder = pruned.save(Path(scratch) / "small")
    again = engine.apply(folder / "plan.json", network())
    again.load_state_dict(load_file(folder / "weights.safetensors"))
    print("written and read back:", sorted(file.name for file in folder.iterdir()))
