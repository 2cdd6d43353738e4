variable "aws_region" {
  type    = string
  default = "ap-southeast-2"
}

variable "domain" {
  type = string
}

variable "master_password" {
  type      = string
  sensitive = true
}
