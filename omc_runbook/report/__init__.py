"""What a notebook shows: banners, tables that also read as plain text, plots; no decisions."""
