"""An environment as it is now, read at once: secret, services, tasks, roles."""
