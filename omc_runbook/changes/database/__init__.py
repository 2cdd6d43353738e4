"""The database's part in a new password."""
