"""A new key, in secret, files and tasks."""
