"""What is believed before the runs: stated by a user, or learned from the public record."""
