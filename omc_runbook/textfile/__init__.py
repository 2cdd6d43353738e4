"""A text file of the application's own, what would become of it, and how a diff shows that."""
