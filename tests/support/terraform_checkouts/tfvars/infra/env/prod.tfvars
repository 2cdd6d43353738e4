env        = "prod"
account_id = "444455556666"
region     = "eu-central-1"
api_count  = 3
