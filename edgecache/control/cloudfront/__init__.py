"""CloudFront's API."""
