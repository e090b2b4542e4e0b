"""What an operator does with the rows of a tenant: check and repair them, export and import them, back them up.

Read first: `invariants` (what must be true of the rows), `archive` (the file format), `exporting` and `importing`.

To check one thing more go to `invariants`; its repair is in `checking`. To change what a file holds go to `archive` and
`exporting`; `import_plan` decides what of a file is written.
"""
