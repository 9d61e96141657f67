"""Experiments: who sees what, what came of it, and what that proves. See docs/experiments.md."""
