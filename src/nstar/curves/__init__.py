"""Curves of training: loss along a learning-rate schedule, and where a run will end."""
