include "root" {
  path = find_in_parent_folders()
}

terraform {
  source = "../../../modules//app"
}

dependency "secret" {
  config_path = "../secret"
}

inputs = {
  stage      = "prod"
  secret_arn = dependency.secret.outputs.arn
}
