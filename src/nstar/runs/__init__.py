"""A table of runs: where it comes from, what its columns mean, checked once at the door."""
