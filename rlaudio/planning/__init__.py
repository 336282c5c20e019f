"""What a recipe will cost before anything is loaded: parameters, tokens, FLOPs, memory, time.

hardware.py   what devices can do, from their data sheets; a CPU is measured
tokens.py     tokens of one step of a stage
flops.py      floating-point operations of passes through the model
memory.py     bytes on a device, by part and phase
seconds.py    time of a step's phases
plan.py       a recipe's plan, which puts these together
tables.py     the plan as text
"""
