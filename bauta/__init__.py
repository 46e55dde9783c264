"""bauta: privacy in face recognition, protected, attacked and proven in one toolkit."""

__version__ = "0.1.0"
