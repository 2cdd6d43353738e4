variable "app_name" {
  default = "ledger"
}

variable "env" {
  description = "One of the files in env/"
}

variable "region" {
  default = "eu-west-1"
}

variable "account_id" {}

variable "api_count" {
  default = 1
}
