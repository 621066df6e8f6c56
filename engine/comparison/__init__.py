"""Kinds of runs compared over their seeds: which belong together, what differs, and whether it is more than chance.

No torch.
"""
