# A distribution with a function that reads a key value store, made by Terraform in edgecache.
# The access key comes from the environment: eval "$(edgecache token --aws)".

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.60" }
  }
}

variable "control" {
  description = "Where control listens. A name: for keys the account is put before it."
  default     = "http://localhost:8090"
}

variable "origin_port" { default = 9000 }

variable "comment" { default = "made by Terraform" }

variable "code_file" { default = "redirects.js" }

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    cloudfront              = var.control
    cloudfrontkeyvaluestore = var.control
  }
}

resource "aws_cloudfront_key_value_store" "redirects" {
  name    = "redirects"
  comment = var.comment
}

resource "aws_cloudfront_function" "redirect" {
  name                         = "redirect"
  runtime                      = "cloudfront-js-2.0"
  comment                      = var.comment
  code                         = file("${path.module}/${var.code_file}")
  key_value_store_associations = [aws_cloudfront_key_value_store.redirects.arn]
}

resource "aws_cloudfront_distribution" "site" {
  enabled = true
  comment = var.comment

  origin {
    origin_id   = "web"
    domain_name = "127.0.0.1" # control admits it by `allow_private_origins = true`
    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "web"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = "658327ea-f89d-4fab-a63d-7e88639e58f6" # CachingOptimized
    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.redirect.arn
    }
  }

  restrictions {
    geo_restriction { restriction_type = "none" }
  }

  viewer_certificate { cloudfront_default_certificate = true }
}

output "domain" { value = aws_cloudfront_distribution.site.domain_name }
