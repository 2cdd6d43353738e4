"""Terraform: its files, its command and its plan."""
