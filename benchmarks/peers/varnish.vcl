# Varnish as one who knows it would set it: cookies are dropped, since its built-in rules pass every
# request that has any.
vcl 4.1;

backend inner { .host = "127.0.0.1"; .port = "@origin@"; }

sub vcl_recv {
  unset req.http.Cookie;
}

sub vcl_deliver {
  if (obj.hits > 0) {
    set resp.http.X-Cache = "HIT";
  } else {
    set resp.http.X-Cache = "MISS";
  }
  set resp.http.X-Request-Id = req.xid;
}
