"""The command `search`: what it reads, how it shows where the whole stands, what it prints at the end."""
