"""Likelihoods that need more than a line or two, one a file."""
