"""What ECS, AWS, Compose, PostgreSQL and the application say, and what it means."""
