"""An audit: every protection under every attack that fits it, in a given time, and what follows for whom."""
