"""What runs take from one another by way of the cache: trained baselines and how good they are, scores, samples."""
