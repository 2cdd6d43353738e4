"""A .env: what it becomes, and its one writer."""
