"""Predictions, under every draw of a fit, of runs and optima that were not measured."""
