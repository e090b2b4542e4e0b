"""The operator's command line: `python -m scim_core.admin`.

Read first: `arguments` (all commands and their arguments), `__main__` (which command runs), `commands` (tenants and
credentials). It may use every room, and no room may use it.
"""
