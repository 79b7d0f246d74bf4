# Resources of CloudFront that examples/terraform has not, beside it.

data "aws_cloudfront_cache_policy" "optimized" { name = "Managed-CachingOptimized" }
data "aws_cloudfront_origin_request_policy" "all" { name = "Managed-AllViewer" }
data "aws_cloudfront_response_headers_policy" "cors" { name = "Managed-SimpleCORS" }
data "aws_cloudfront_function" "redirect" {
  name  = aws_cloudfront_function.redirect.name
  stage = "LIVE"
}
resource "aws_cloudfront_cache_policy" "p" {
  name        = "p"
  default_ttl = 60
  max_ttl     = 100
  min_ttl     = 1
  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "whitelist"
      cookies { items = ["a"] }
    }
    headers_config {
      header_behavior = "whitelist"
      headers { items = ["x-a"] }
    }
    query_strings_config { query_string_behavior = "all" }
  }
}
resource "aws_cloudfront_origin_request_policy" "o" {
  name = "o"
  cookies_config { cookie_behavior = "none" }
  headers_config { header_behavior = "none" }
  query_strings_config { query_string_behavior = "all" }
}
resource "aws_cloudfront_response_headers_policy" "r" {
  name = "r"
  security_headers_config {
    frame_options {
      frame_option = "DENY"
      override     = true
    }
    strict_transport_security {
      access_control_max_age_sec = 100
      override                   = true
    }
  }
  custom_headers_config {
    items {
      header   = "x-b"
      value    = "2"
      override = true
    }
  }
}
resource "aws_cloudfront_public_key" "k" {
  name        = "k"
  encoded_key = file("${path.module}/key.pem")
}
resource "aws_cloudfront_key_group" "g" {
  name  = "g"
  items = [aws_cloudfront_public_key.k.id]
}
resource "aws_cloudfront_origin_access_control" "oac" {
  name                              = "oac"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}
resource "aws_cloudfront_origin_access_identity" "oai" { comment = "x" }
resource "aws_cloudfront_key_value_store" "many" {
  name = "few"
}
resource "aws_cloudfrontkeyvaluestore_keys_exclusive" "many" {
  key_value_store_arn = aws_cloudfront_key_value_store.many.arn
  resource_key_value_pair {
    key   = "a"
    value = "1"
  }
  resource_key_value_pair {
    key   = "c"
    value = "3"
  }
}
resource "aws_cloudfront_function" "draft" {
  name    = "draft"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = "function handler(event) { return event.request; }"
}
resource "aws_cloudfront_function" "headers" {
  name    = "headers"
  runtime = "cloudfront-js-2.0"
  code    = "function handler(event) { return event.response; }"
}
resource "aws_cloudfront_distribution" "wide" {
  enabled             = true
  wait_for_deployment = false
  aliases             = []
  http_version        = "http2and3"
  price_class         = "PriceClass_100"
  default_root_object = "index.html"
  is_ipv6_enabled     = true
  tags                = { a = "c" }
  origin {
    origin_id   = "a"
    domain_name = "example.com"
    origin_path = "/p"
    custom_header {
      name  = "x-c"
      value = "d"
    }
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }
  origin {
    origin_id   = "b"
    domain_name = "www.example.com"
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }
  origin_group {
    origin_id = "g"
    failover_criteria { status_codes = [500, 502] }
    member { origin_id = "a" }
    member { origin_id = "b" }
  }
  default_cache_behavior {
    target_origin_id           = "g"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = aws_cloudfront_cache_policy.p.id
    origin_request_policy_id   = aws_cloudfront_origin_request_policy.o.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.r.id
    trusted_key_groups         = [aws_cloudfront_key_group.g.id]
    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.redirect.arn
    }
    function_association {
      event_type   = "viewer-response"
      function_arn = aws_cloudfront_function.headers.arn
    }
  }
  ordered_cache_behavior {
    path_pattern           = "/older/*"
    target_origin_id       = "a"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods         = ["GET", "HEAD"]
    min_ttl                = 0
    default_ttl            = 10
    max_ttl                = 20
    forwarded_values {
      query_string = true
      headers      = ["Origin"]
      cookies { forward = "none" }
    }
  }
  custom_error_response {
    error_code            = 404
    response_code         = 200
    response_page_path    = "/404.html"
    error_caching_min_ttl = 5
  }
  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
  viewer_certificate { cloudfront_default_certificate = true }
}
