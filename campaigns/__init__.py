"""Long runs that try to break bauta, each one command with a table at its end: `python -m campaigns.fuzz`."""
