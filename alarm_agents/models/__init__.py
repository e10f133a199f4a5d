"""Local models behind one call: LangChain chat models with structured output and typed failures."""

from alarm_agents.models.client import Answer, Model, heard
from alarm_agents.models.content import composite, delimit, picture_block
from alarm_agents.models.registry import build_models
from alarm_agents.models.scripted import ScriptedChatModel, ScriptError, Step
from alarm_agents.models.structured import Parsed, Refused, Unparsed, parse_reply

__all__ = [
    "Answer",
    "Model",
    "Parsed",
    "Refused",
    "ScriptError",
    "ScriptedChatModel",
    "Step",
    "Unparsed",
    "build_models",
    "composite",
    "delimit",
    "heard",
    "parse_reply",
    "picture_block",
]
