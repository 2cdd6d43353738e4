"""Keeps secret values out of notebooks, logs and files: values that print as their names, and nets below them."""
