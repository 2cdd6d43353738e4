"""The developer's own machine: its .env, as each program reads it, and what is around it."""
