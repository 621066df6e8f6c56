"""How networks are named that are not part of this program."""
