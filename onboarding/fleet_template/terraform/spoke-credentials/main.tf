# The credentials of one spoke, as the fleet expects them in AWS Secrets Manager. Copy this beside the module that makes
# the cluster, and call it once per cluster.
#
# The secret is JSON with two keys, and nothing else in it is ever read:
#   server   the URL of the cluster's API server (or, with Argo CD as an EKS capability, the cluster's ARN)
#   config   how Argo CD signs in, as Argo CD's cluster secrets have it: an object, here IAM by a role
#
# Two tags say what it belongs to, so that a secret can be recognised without its content being read (DescribeSecret).

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "cluster_name" {
  description = "The spoke's name, as in fleet/fleet-bootstrap/fleet-members/<hub>/<cluster_name>.yaml."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.cluster_name))
    error_message = "At most 63 lower-case letters, digits and dashes."
  }
}

variable "role_arn" {
  description = "The role that the hub's Argo CD assumes to reach this spoke."
  type        = string
}

data "aws_eks_cluster" "spoke" {
  name = var.cluster_name
}

resource "aws_secretsmanager_secret" "spoke" {
  name        = "fleet/${var.cluster_name}"
  description = "How the fleet's hub reaches the cluster ${var.cluster_name}."
  tags = {
    "fleet/cluster" = var.cluster_name
    "fleet/server"  = data.aws_eks_cluster.spoke.endpoint
  }
}

resource "aws_secretsmanager_secret_version" "spoke" {
  secret_id = aws_secretsmanager_secret.spoke.id
  secret_string = jsonencode({
    server = data.aws_eks_cluster.spoke.endpoint
    config = {
      awsAuthConfig = {
        clusterName = var.cluster_name
        roleARN     = var.role_arn
      }
      tlsClientConfig = {
        insecure = false
        caData   = data.aws_eks_cluster.spoke.certificate_authority[0].data
      }
    }
  })
}

output "secret_manager_secret_name" {
  description = "For secretManagerSecretName in the member file."
  value       = aws_secretsmanager_secret.spoke.name
}
