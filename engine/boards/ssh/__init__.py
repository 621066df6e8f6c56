"""The way to a board: login, jumps, host keys, commands and files, and what can go wrong on it."""
