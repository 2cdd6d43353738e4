"""What a pasted text means: the words by which ECS, AWS and the application tell of secrets."""
