"""Protections of pictures: one file, one class, one paper."""
