"""A developer's workstation: the .env as each program parses it, git, Docker Compose, and the Settings it yields."""
