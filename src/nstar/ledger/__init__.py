"""Forecasts frozen before their runs, and how they fared."""
