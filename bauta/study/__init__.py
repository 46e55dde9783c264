"""Studies: systems under attacks give rows on disk, and rows give tables."""
