"""Where prepared runs are worked on, several at once: what an executor promises, and the one on this computer."""
