"""Pages for people: how one is written, answered and protected, without a transport. What they say is elsewhere.

Read first: `rendering` (a page of a template), `answers` (the headers of every page, redirects, the files that pages
use), `forms` (what a browser sends back). `templates/base.html` is the frame of every page, `templates/parts.html` has
what pages share, `assets/style.css` is the one style sheet.

jinja2 is imported here only: an app that shows no page does not load it.
"""
