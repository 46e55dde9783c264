"""Attacks that say who is who."""
