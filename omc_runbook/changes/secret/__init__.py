"""The secret: plans of its changes, and its only writer."""
