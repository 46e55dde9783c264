"""Attacks that bring the picture back."""
