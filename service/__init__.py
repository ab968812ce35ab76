"""The planning service: the planner over HTTP."""
