"""`admin doctor`: looks at a customer, or at a deployment from outside and from Azure's side. It changes nothing.

Read first: `findings` (what a check says), `report` (how it is told), `tenant` (the checks of a customer, from rows
alone), `command` (the checks of a deployment). `outside` asks the service as a client, `management` asks Azure, and the
other modules judge what Azure answers.
"""
