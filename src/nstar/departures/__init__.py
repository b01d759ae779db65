"""How the truth departs from one law: smooth waves, bent lines, groups that differ."""
