# What the store holds. Its service is asked at http://000000000000.HOST:PORT, which must resolve.

variable "target" { default = "/new" }

resource "aws_cloudfrontkeyvaluestore_key" "old" {
  key_value_store_arn = aws_cloudfront_key_value_store.redirects.arn
  key                 = "/old"
  value               = var.target
}
