"""A local AWS to practise on: moto mended, an ECS agent with real processes, worlds and faults."""
