"""Terraform: its files, its command and its plans."""
