"""Text files of the checkout: reading them, editing them, and diffs that leave values out."""
