"""Evaluation of IAM policies without a call to AWS."""
