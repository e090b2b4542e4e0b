"""`admin doctor`: looks at a deployment from outside and from Azure's side. It changes nothing.

Read first: `findings` (what a check says), `command` (which checks there are). `outside` asks the service as a client,
`management` asks Azure, and the other modules judge what Azure answers.
"""
