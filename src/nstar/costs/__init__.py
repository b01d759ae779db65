"""What runs cost: FLOP of training and of inference, and the line of equal cost."""
