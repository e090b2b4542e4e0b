"""The operator's command line: `python -m scim_core.admin`. No room may use this one.

Read first: `arguments` (all commands and their arguments), `__main__` (which command runs, and its exit code),
`commands` (tenants and credentials).

To add a command, declare it in `arguments` and write it in `commands`. A command that works on the rows of a directory
has a module of its own, like `check`, and `__main__` names it.
"""
