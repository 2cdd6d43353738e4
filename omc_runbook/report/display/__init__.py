"""How a notebook shows things: banners, tables, listings, diffs."""
