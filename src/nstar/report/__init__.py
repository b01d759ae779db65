"""What the page says, its words, its figures, its template."""
