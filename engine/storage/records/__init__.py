"""What the files of a job folder hold, each line and document a frozen dataclass of its own."""
