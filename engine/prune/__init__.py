"""How much is removed, and which: one-shot, direct, progressive, alternate."""
