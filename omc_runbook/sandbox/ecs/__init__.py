"""What ECS does with a service: deployments, tasks and their containers."""
