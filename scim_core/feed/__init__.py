"""The feed: every change of a tenant's directory in one order, for programs that follow it (docs/storage.md).

Read first: `feed` (pages of changes, the snapshot, the tenants that moved), `entries` (what a reader is told of a
change), `cursors` (what a cursor says), `kicks` (who relays after a change). For people: `log` answers what happened to
somebody, `log_pages` page by page, `finding` finds them, `causes` counts what was refused, and `attempts` keeps it.

The rows behind it are the storage's: scim_core/storage/feed_port.py says what the feed asks of them.
"""
