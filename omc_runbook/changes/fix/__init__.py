"""Steps against root causes."""
