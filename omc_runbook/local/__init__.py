"""The developer's own machine: its .env, as each program that reads it would, and what is around it."""
