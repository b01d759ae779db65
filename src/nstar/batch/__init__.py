"""Many fits by one manifest: what to run, where, what is kept, and what came of it."""
