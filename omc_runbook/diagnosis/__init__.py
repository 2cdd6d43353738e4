"""From findings to root causes."""
