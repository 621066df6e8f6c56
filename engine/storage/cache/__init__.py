"""What the jobs of one results folder share: computed once, found by what it depends on, the least used goes first."""
