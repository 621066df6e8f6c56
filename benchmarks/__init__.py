"""What is measured against a peer, or to find what breaks."""

import engine  # noqa: F401 - its environment comes before what a benchmark loads
