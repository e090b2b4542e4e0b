"""Webhooks: readers of the feed, in the server, that send what they read to addresses of the vendor's product.

Read first: `delivery` (the order, the repetitions, what becomes of a batch), `batches` (what is sent), `sending` (to
whom, and to whom never). `signatures`, `cloud_events`, `schedule` and `addresses` are pure functions. docs/hooks.md
says what a receiver sees, and docs/adr/0053-a-hook-is-a-reader-on-the-server.md why.
"""
