"""How long runs will take on this machine: a short measurement of its speed, and arithmetic."""
