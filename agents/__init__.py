"""The four agents: perceiver, inducer, reasoner, reflector; and what a scenario's own agent starts from."""

from alarm_agents.agents.base import Agent
from alarm_agents.prompt import Prompt

__all__ = ["Agent", "Prompt"]
