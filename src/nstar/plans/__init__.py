"""How to spend a budget, what the choice risks, and what a target or a served model costs."""
