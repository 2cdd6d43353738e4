"""A developer's .env: its values, its plan and its writing."""
