"""Runs as jobs of a SLURM cluster, by way of submitit; or of submitit's executor for this computer."""
