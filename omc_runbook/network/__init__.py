"""Network reachability of AWS services from a task: routes, endpoints, security groups, network ACLs."""
