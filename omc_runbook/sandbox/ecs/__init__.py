"""The agent: what ECS does with a service."""
