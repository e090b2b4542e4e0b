"""The feed: every change of a tenant's directory in one order, for programs that follow it (docs/storage.md).

Read first: `feed` (pages of changes, the snapshot, the tenants that moved), `cursors` (what a cursor says).

The rows behind it are the storage's: scim_core/storage/feed_port.py says what the feed asks of them.
"""
