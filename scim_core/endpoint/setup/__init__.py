"""The setup page: what a customer's administrator sees, who connects an identity provider once and never comes again.

Read first: `setup_endpoint` (a request becomes a page; who may see it), `views` (what the page says), `upload` (the
file that is checked before anything goes wrong). The words are in `templates`; the frame is in scim_core/pages/.

Links and sessions are in scim_core/access/setup_sessions.py. What the page tells of requests is read by
scim_core/feed/setup_progress.py; scim_core/endpoint/notes.py writes it down.
"""
