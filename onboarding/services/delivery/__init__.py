"""Delivery: bring what is approved to Git once, and say what became of it."""
