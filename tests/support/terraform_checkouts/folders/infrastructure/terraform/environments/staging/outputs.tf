output "ecs_cluster_name" {
  value = module.ecs.cluster_name
}

output "backend_service_name" {
  value = module.ecs.backend_service_name
}

output "secrets_manager_secret_arn" {
  value     = module.secrets.secret_arn
  sensitive = true
}
