"""A local AWS to practise on: moto with its gaps filled, an ECS agent with real processes, worlds and faults."""
