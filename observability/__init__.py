"""Tracing of everything the agents do, and the watch over those traces."""
