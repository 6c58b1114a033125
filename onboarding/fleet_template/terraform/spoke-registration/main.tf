# Registers one spoke with Fleet UI and waits until it is Healthy. Copy this beside the module that makes the cluster and
# its credentials (../spoke-credentials), and call it once per cluster.
#
# It needs no provider: `terraform_data` is built in, and register.sh asks by curl and jq. A registration is a request
# that a person decides on, not an object to be made, changed and destroyed, which is what providers for REST APIs
# would take it for: one of them would ask anew at a refresh, or remove a cluster at a destroy. Here it is asked once, under a
# key of its own; whatever ends an apply, the next one asks under the same key, hears of the same change, and waits on.
#
# The token is read from the environment (FLEETUI_TOKEN), so that it is in no state and no plan. It needs the verbs
# "read" and "register". A destroy leaves the cluster in the fleet: to let it go is a decision of its own.

terraform {
  required_version = ">= 1.5"
}

variable "fleetui_url" {
  description = "Where Fleet UI is reached, as https://fleet.example.com."
  type        = string
}

variable "hub" {
  description = "The hub cluster whose Argo CD will manage it."
  type        = string
}

variable "cluster_name" {
  description = "The spoke's name in the fleet."
  type        = string
}

variable "tenant" {
  type = string
}

variable "environment" {
  type = string
}

variable "secret_name" {
  description = "Output secret_manager_secret_name of spoke-credentials: naming it here makes Terraform write the secret first."
  type        = string
}

variable "pins" {
  description = "Release channels and enable flags that this cluster pins, by label."
  type        = map(string)
  default     = {}
}

variable "until" {
  description = "How far it has to come before the apply goes on: decided, approved, committed or healthy."
  type        = string
  default     = "healthy"
}

variable "timeout" {
  description = "How many seconds an apply waits. People have to decide meanwhile; the next apply waits on."
  type        = number
  default     = 3600
}

variable "attempt" {
  description = "Count it up to ask anew after a rejection: the same key would hear of the rejected change again."
  type        = number
  default     = 1
}

locals {
  registration = {
    hub         = var.hub
    cluster     = var.cluster_name
    tenant      = var.tenant
    environment = var.environment
    secret_name = var.secret_name
    pins        = var.pins
  }
}

resource "terraform_data" "registration" {
  # What a cluster is later changed to is asked for as an edit: it does not register it anew.
  triggers_replace = [var.hub, var.cluster_name, var.attempt]

  provisioner "local-exec" {
    command = "sh ${path.module}/register.sh"
    environment = {
      FLEETUI_URL     = var.fleetui_url
      FLEETUI_BODY    = jsonencode(local.registration)
      FLEETUI_KEY     = "terraform:${var.hub}:${var.cluster_name}:${var.attempt}"
      FLEETUI_UNTIL   = var.until
      FLEETUI_TIMEOUT = var.timeout
    }
  }
}
