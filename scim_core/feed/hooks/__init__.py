"""Webhooks: readers of the feed, in the server, that send what they read to addresses of the vendor's product.

Read first: `delivery` (the order, the repetitions, what becomes of a batch), `batches` (what is sent, in each of the
formats), `packing` (headers and signatures), `sending` (to whom, and to whom never). `signatures`, `tokens`,
`cloud_events`, `security_events`, `doorbells`, `schedule` and `addresses` are pure functions. docs/hooks.md says what a
receiver sees; docs/adr/0053-a-hook-is-a-reader-on-the-server.md and 0058 say why.
"""
