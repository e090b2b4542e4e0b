"""Benchmarks: `make bench`. docs/benchmarks.md says what they measure and how to read what they print.

Read first: `base` (each operation compared with its storage calls), `against` (the working tree compared with another
commit), `cycle` (a first cycle of Entra), `operations` (what a client sends), `apps` (the processes that answer).

To add an operation, write it in `operations`, and its storage calls in `bare`. `tables` has the two ways to make these.
"""
