"""Fixes of root causes."""
