"""The queue, its worker, and the one child process of each run."""
