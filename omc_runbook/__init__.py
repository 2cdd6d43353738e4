"""Runbooks that run: the Oh My Coins secrets guide, read, checked, changed and proved on AWS."""
