"""What keeps secret values out of notebooks, logs and files: values that show their names, and nets below them."""
