"""`python -m rlaudio`, which is also what `torchrun -m` and `deepspeed --module` start."""

from rlaudio.cli import main

main()
