"""Where resources, memberships and tenants are kept: the port, and its implementation in Azure Table Storage.

Read first: `port` (what the service needs of a storage), `tables/` (the rows of Table Storage, docs/storage.md),
`maintenance/` (check, export, import and backup). To add a kind of row go to `tables/keys` and docs/storage.md.
"""
