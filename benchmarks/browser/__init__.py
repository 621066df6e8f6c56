"""The dashboard as a browser has it: what it takes until something is seen."""
