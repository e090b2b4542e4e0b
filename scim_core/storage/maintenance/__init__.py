"""What an operator does with the rows of a tenant: check and repair them, export and import them, back them up.

Read first: `invariants` (what must be true of the rows), `archive` (the file format), `exporting` and `importing`.
"""
