"""What `benchmarks.gpu` checks and measures on an accelerator, a file for each subject."""
