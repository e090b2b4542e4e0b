"""OAuth 2.0: the token endpoint, the tokens it issues, the tokens of Entra it trusts. Only here is PyJWT imported."""
