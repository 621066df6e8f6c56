"""A search for good trade-offs: which settings are tried, what each comes to, and which of them are trained on."""
