"""The exact optimizer of one job: which option runs each phase, from when to when.

problem      what goes in and comes out: integers
solve        the entry: picks the algorithm, checks the answer, explains infeasibility
runs         the arithmetic of one run: billed time, cost, work, stretches of windows
timetable    the options of a phase as arrays over the steps
chain        exact dynamic program: phases in a row, one run each
segments     exact label setting: phases in a row, several runs each; sweep: one pass over time
independent  phases side by side: solved apart, then what they share
formulation  (with variables) the direct CP-SAT model of the whole class of plans; the judge
bound        Lagrangian lower bounds
prune        dominance rules
reach        what is possible at all, money aside
direct       CP-SAT on the formulation
explain      why there is no plan, and the smallest single change that gives one
check        independent evaluation of a solution against a problem
verify       independent verification of a plan document, without any solver

Import the modules directly: `verify` must not drag a solver in.
"""
