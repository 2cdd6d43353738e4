output "task_role_arns" {
  description = "The role that reads each environment, for key policies that have to name it."
  value       = { for name, role in aws_iam_role.task : name => role.arn }
}

output "log_group" {
  description = "Where the summaries of the runs are."
  value       = aws_cloudwatch_log_group.runs.name
}

output "undelivered_queue_arn" {
  description = "Runs that EventBridge Scheduler could not start: worth an alarm."
  value       = aws_sqs_queue.undelivered.arn
}
