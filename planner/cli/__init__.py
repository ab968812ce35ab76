"""The command line: one verb per public function. Heavy libraries are imported inside the verbs."""

from __future__ import annotations

import os
import sys

EXIT_DEFECT = 1
EXIT_BAD_INPUT = 2
EXIT_INFEASIBLE = 3
EXIT_NO_PLAN_IN_TIME = 4
MOST_ERRORS = 100  # printed


def main() -> None:
    """Entry point of the console script `planner`: errors become messages and exit codes, never tracebacks."""
    from hardware_catalog.errors import InputError

    try:
        from planner.cli.app import build

        build()()
    except InputError as error:
        for problem in error.problems[:MOST_ERRORS]:
            print(f"error: {problem}", file=sys.stderr)
        if len(error.problems) > MOST_ERRORS:
            print(f"error: ... and {len(error.problems) - MOST_ERRORS:,} more", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except Exception as error:
        if os.environ.get("PLANNER_TRACEBACK"):
            raise
        print(
            f"error: a defect of the planner: {type(error).__name__}: {error} (please report it with the command and "
            "its files; PLANNER_TRACEBACK=1 shows where)",
            file=sys.stderr,
        )
        sys.exit(EXIT_DEFECT)
