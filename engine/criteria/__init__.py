"""How much a channel or a block matters."""
