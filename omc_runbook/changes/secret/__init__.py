"""The secret: what it becomes, and its one writer."""
