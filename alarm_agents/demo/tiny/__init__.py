"""Tiny vision-language models that know the demo's walkway and nothing else, so that all agents can run on models."""
