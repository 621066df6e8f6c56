"""With which techniques networks were made smaller, and what each came to over its seeds. Pure functions."""
