"""From scores to lists that people like to see: diverse, new to them, true to their taste, and by the shop's rules."""

from serving_export.rerank.facts import Facts
from serving_export.rerank.greedy import Weights
from serving_export.rerank.lists import make_lists
from serving_export.rerank.rules import Rules

__all__ = ["Facts", "Rules", "Weights", "make_lists"]
