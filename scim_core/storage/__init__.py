"""Where resources, memberships and tenants are kept: the port, and its implementation in Azure Table Storage.

Read first: `port` (what the service needs of a storage), `tables/` (the rows of Table Storage), `maintenance/` (check,
export, import and backup), docs/storage.md (the rows as tables).

To change what the service asks for, begin in `port`. To add a kind of row go to `tables/keys` and docs/storage.md.
"""
