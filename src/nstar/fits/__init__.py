"""A fit: law, noise and runs to draws; its certificates, its file, and many side by side."""
