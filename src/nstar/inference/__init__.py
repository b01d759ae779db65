"""Repeated sampling and other ways to spend compute on answers."""
