"""Closed-form reconstruction: what is left after a cut, refitted to the untouched network's values. No labels."""
