"""What stays of a run: the executed notebook, its page and outcome.json, and the state of a change under way."""
