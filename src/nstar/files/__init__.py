"""Tables and trees on disk: read as text, written whole or not at all."""
