"""Equations: plain functions of tensors."""
