variable "environments" {
  description = "The environments to verify. policy is what omc-runbook policy verify environment=NAME prints; variables are OMC_ names that differ from the guide's."
  type = map(object({
    policy    = string
    schedule  = optional(string, "rate(1 hour)")
    variables = optional(map(string), {})
  }))
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "omc-runbook-verify"
}

variable "cluster_arn" {
  description = "The ECS cluster to run the tasks in."
  type        = string
}

variable "repository_arn" {
  description = "The ECR repository with the image."
  type        = string
}

variable "image" {
  description = "The image of this folder's Dockerfile, by its digest: REPOSITORY@sha256:..."
  type        = string
}

variable "subnets" {
  description = "Subnets with a way to ECR, CloudWatch Logs, S3 and the services that verify reads."
  type        = list(string)
}

variable "security_groups" {
  description = "Security groups that allow HTTPS out; nothing needs to come in."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether the subnets reach AWS by an internet gateway instead of NAT or endpoints."
  type        = bool
  default     = false
}

variable "records_bucket" {
  description = "The S3 bucket for the records."
  type        = string
}

variable "records_kms_key_arn" {
  description = "The KMS key that encrypts the records."
  type        = string
}

variable "timezone" {
  description = "The time zone of cron() schedules."
  type        = string
  default     = "UTC"
}

variable "retention_in_days" {
  description = "How long CloudWatch keeps the tasks' logs."
  type        = number
  default     = 90
}
