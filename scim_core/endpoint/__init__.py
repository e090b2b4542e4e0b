"""HTTP without a transport: routes, limits of bodies, and the one place that turns exceptions into answers.

Read first: `routes` (the route table), `endpoint` (what every request passes), `handlers` (one method for each route),
`error_responses` (every error's status and text).

To add a route, add a row to `routes` and a method to `handlers`. To change the text of an error, go to
`error_responses`. If the text is not there, it is where the error is raised.
"""
