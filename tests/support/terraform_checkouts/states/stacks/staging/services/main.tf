locals {
  environment = "staging"
}

data "terraform_remote_state" "base" {
  backend = "s3"
  config = {
    bucket = "atlas-state"
    key    = "staging/base.tfstate"
  }
}

module "gateway" {
  source      = "../../../modules/service"
  name        = "gateway"
  environment = local.environment
  cluster_arn = data.terraform_remote_state.base.outputs.cluster_arn
  secret_arn  = data.terraform_remote_state.base.outputs.runtime_secret_arn
  secret_vars = {
    SECRET_KEY = "signing_key"
  }
}

module "backend" {
  source      = "../../../modules/service"
  name        = "backend"
  environment = local.environment
  cluster_arn = data.terraform_remote_state.base.outputs.cluster_arn
  secret_arn  = data.terraform_remote_state.base.outputs.runtime_secret_arn
  secret_vars = {
    SECRET_KEY        = "signing_key"
    POSTGRES_PASSWORD = "POSTGRES_PASSWORD"
    OPENAI_API_KEY    = "openai"
  }
}
