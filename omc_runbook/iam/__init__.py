"""What an IAM policy decides."""
