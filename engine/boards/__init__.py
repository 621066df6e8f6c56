"""Boards: who they are, how to reach them, and how long a network takes there."""
