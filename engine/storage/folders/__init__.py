"""The folder of a job: what is in it and how it is read and written, and the log of changes beside it. No torch."""
