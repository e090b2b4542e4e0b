"""The console: what happened, on pages for the people who support customers. It asks the questions of `feed.log`.

Read first: `console` (a request becomes a page), `routes` (which pages there are), `visitors` (who looks, and what they
may do), `reading` (what is asked of storage and registry). Who comes in: `local_door` on the operator's machine,
`entra_door` in Azure. `deeds` is all that the console can change.
"""
