"""What a fit says, under every draw, of runs and optima that were not measured."""
