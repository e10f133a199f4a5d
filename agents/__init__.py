"""The four agents: perceiver, inducer, reasoner, reflector."""
