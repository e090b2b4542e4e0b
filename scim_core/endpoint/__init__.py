"""HTTP without a transport: routes, limits of bodies, and the one place that turns exceptions into answers.

Read first: `routes` (the route table), `endpoint` (what every request passes), `handlers` (one method for each route),
`error_responses` (every error's status and text).
"""
