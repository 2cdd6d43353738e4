"""How often the processes of the tests look for objects that refer to each other and that nobody uses any more."""

MANY = 200_000
"""New objects between two looks: with Python's own 2,000 they take a twentieth of the time that the suite takes."""
