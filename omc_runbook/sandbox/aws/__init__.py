"""What moto leaves out or gets wrong of the AWS services that a runbook meets, mended from outside."""
