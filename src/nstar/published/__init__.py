"""The public record as tables: published fits, released models, accelerators."""
