"""runbook.toml, made from the names that Terraform's files and AWS have."""
