"""The tree of errors.

InputError            bad input, with file, line, field, expectation and nearest right name (exit code 2)

An infeasible workload is not an error but an answer: a plan with status `infeasible` and its reasons (exit code 3).
"""

from hardware_catalog.errors import InputError, Problem, nearest

__all__ = ["InputError", "Problem", "nearest"]
