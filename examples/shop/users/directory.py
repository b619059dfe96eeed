"""The users of the shop."""

USERS = {
    "ada": {"name": "Ada", "city": "London"},
    "zoë": {"name": "Zoë", "city": "Genève"},
}
