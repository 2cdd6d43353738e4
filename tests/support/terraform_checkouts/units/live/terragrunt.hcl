locals {
  product = "tides"
}

remote_state {
  backend = "s3"
}

inputs = {
  product = local.product
  region  = "eu-west-2"
}
