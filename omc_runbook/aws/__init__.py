"""The calls to AWS that the runbooks make, one module per service; nothing else here knows boto3."""
