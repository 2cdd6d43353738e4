"""Running a notebook without a person, and keeping what it left."""
