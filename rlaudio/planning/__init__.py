"""Before a run: what would stop it, what it needs (parameters, FLOPs, memory, time), and its job script.

assumptions.py what a plan assumes of data and machines
hardware.py    what devices can do, from their data sheets; a CPU is measured
tokens.py      tokens of one step of a stage
flops.py       floating-point operations of passes through the model
memory.py      bytes on a device, by part and phase
seconds.py     time of a step's phases
servers.py     vLLM servers on nodes of their own
basis.py       what all parts of a plan start from
phases.py      the phases of a step: sampling, signals, update
memory_plan.py what a recipe's stages hold in memory
plan.py        a recipe's plan, from all of these
tables.py      the plan as text
check.py       all that would stop a run
job_script.py  a Slurm script for several nodes
"""
