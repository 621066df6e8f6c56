"""Arithmetic over points and samples: what is not beaten, how sure a mean is, which differences are real. No torch.

NumPy and SciPy come when they are needed: every command imports this room, and most of them compute nothing.
"""
