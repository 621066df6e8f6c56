"""Half of the multiply–accumulates of a ResNet-18, in five lines."""

import torchvision

import engine

model = torchvision.models.resnet18(weights=None)  # yours comes with weights
pruned = engine.prune(model, keep=0.5)
print(pruned)
