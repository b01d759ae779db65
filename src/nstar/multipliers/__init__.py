"""Compute multipliers: recipes compared at a budget, and what decides between them."""
