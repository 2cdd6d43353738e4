"""Steps, carried out and undone."""
