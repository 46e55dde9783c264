"""Networks that make pictures out of leaks, and how they are trained."""
