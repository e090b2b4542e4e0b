"""HTTP without a transport: routes, limits of bodies, and the one place that turns exceptions into answers.

Read first: `routes` (the route table), `endpoint` (what every request passes), `handlers` (one method for each route),
`error_responses` (every error's status and text).

To add a route, add a row to `routes` and a method to `handlers`. To change what a client reads when a request is
refused, go to `error_responses`; a text that is not there stands where the error is raised.
"""
