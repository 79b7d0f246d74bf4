"""File of the installation that the tests of DNS have, in two places."""

from __future__ import annotations

FILE = """
state_dir = "state"
geo_database = "places.mmdb"
on_partition = "serve"

[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"

[[locations]]
name = "FRA1"
listen = "{europe}:{port}"
listen_tls = "{europe}:{tls}"

[[locations]]
name = "NRT1"
listen = "{asia}:{port}"
listen_tls = "{asia}:{tls}"

[dns]
listen = ["127.0.0.1:{dns}", "{europe}:{dns}", "{asia}:{dns}"]
workers = 2
zone = "cdn.test"
dnssec = true
certificate_file = "cdn.pem"
key_file = "cdn.pem"
name_servers = ["ns1.cdn.test"]
server_addresses = {{ "ns1.cdn.test" = ["{europe}", "{asia}"] }}
ttl_s = 1
locations = [
  {{ name = "FRA1", addresses = ["{europe}", "2001:db8::1"], country = "DE" }},
  {{ name = "NRT1", addresses = ["{asia}"], country = "JP" }},
]

[[dns.transfer_keys]]
name = "key"
secret = "file:{folder}/key"

[[dns.zones]]
name = "users.test"
transfer_key = "key"
notify = ["127.0.0.1:{secondary}"]
records = [
{records}
]

[[dns.zones]]
name = "site.test"
dnssec = true
records = [{{ name = "@", type = "A", alias = {{ distribution = "ESITE" }} }}]

[[dns.health_checks]]
id = "web"
type = "TCP"
address = "127.0.0.1"
port = {checked}
failure_threshold = 1
interval_s = 30

[[dns.zones]]
name = "checks.test"

[[dns.zones.records]]
name = "www"
type = "A"
values = ["192.0.2.61"]
id = "first"
failover = "primary"
health_check = "web"

[[dns.zones.records]]
name = "www"
type = "A"
values = ["192.0.2.62"]
id = "second"
failover = "secondary"

[[distributions]]
id = "ESITE"
aliases = ["site.test"]
default_behavior = {{ origin = "bucket" }}
origins = [
  {{ id = "bucket", domain_name = "127.0.0.1", http_port = {bucket}, access = "identity" }}
]
"""
RECORDS = """
  {{ name = "www", type = "A", values = ["{www}"] }},
  {{ name = "@", type = "MX", values = ["10 mx"] }},
  {{ name = "mx", type = "AAAA", values = ["2001:db8::25"] }},
"""
SECRET = "c2VjcmV0IG9mIGEgdGVzdA=="
