"""What can be broken in the sandbox, one fault at a time, and how it is mended."""
