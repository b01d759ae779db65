"""May it be believed?  Checks, held-out budgets, other laws, priors and choices."""
