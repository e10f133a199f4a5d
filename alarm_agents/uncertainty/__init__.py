"""Uncertainty: signals, their combination, and the decision to accept, reflect or defer."""
