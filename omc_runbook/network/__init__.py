"""What lies between a task and a service of AWS."""
