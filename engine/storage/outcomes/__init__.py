"""What a run keeps besides the figures of its points: what each network names every test image, and where it costs."""
