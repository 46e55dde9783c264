"""Protections of what crosses the wire."""
