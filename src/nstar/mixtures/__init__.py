"""Mixtures of data: losses by domain as functions of the shares and the model's size."""
