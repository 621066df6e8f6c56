"""The process that is kept warm: a network, its data and its scores stay loaded between one preview and the next."""
