"""Attacks that infer attributes: gender, age, race, emotion."""
