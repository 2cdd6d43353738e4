"""Password rotation in PostgreSQL."""
