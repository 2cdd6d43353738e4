"""The AWS API calls of the runbooks, one module per service; no other package uses boto3."""
