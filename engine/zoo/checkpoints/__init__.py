"""Checkpoints as other programs save them: recognised by content, read without running code, fitted to a network."""
