"""From a probability model to draws: density, mode and curvature, NUTS."""
