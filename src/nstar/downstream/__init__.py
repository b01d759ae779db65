"""From a run yet to be made to its score at a task."""
