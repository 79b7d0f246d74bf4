# Run by /bin/sh once everything answers; its environment has EDGECACHE_CONTROL, and for AWS's tools
# AWS_ENDPOINT_URL_CLOUDFRONT and credentials. Whatever fails here ends the container.
edgecache clock show >&2
