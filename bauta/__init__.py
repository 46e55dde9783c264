"""bauta: privacy in face recognition, protected, attacked and proven."""
