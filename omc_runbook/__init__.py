"""Executable runbooks: the Oh My Coins secrets guide, which checks, changes and verifies secrets on AWS."""
