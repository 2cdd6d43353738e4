"""New values: read, generated, validated and tested."""
