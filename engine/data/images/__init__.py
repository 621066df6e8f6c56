"""Image files: which there are, what each one is, how large a network sees it, and its pixels."""
