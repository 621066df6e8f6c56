"""What an accelerator gives and how fast it is, a file for each subject: `python -m benchmarks.gpu`."""
