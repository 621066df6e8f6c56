"""What is copied to the board and runs there; nothing on this side imports it."""
