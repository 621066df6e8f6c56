"""Every method beside Torch-Pruning on one network, budget and training: `python -m benchmarks.peers`."""
