"""How networks that are not part of this program, and layers of any network, are named."""
