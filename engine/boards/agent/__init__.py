"""Our hands on a board: the script that runs there, and this side of the conversation with it."""
