def test_ttl_and_invalidation(edgecache):
    bucket = edgecache.origin(cache_control="max-age=3600", etag='"1"')
    site = edgecache.distribution("dist.json", origins={"site-bucket": bucket, "api": bucket})
    assert site.get("/a").miss
    assert site.get("/a").hit
    assert bucket.count("/a") == 1
    assert site.explain("/a").ttl_rule == "max-age"
    edgecache.clock.advance("1h 1s")
    assert site.get("/a").refresh
    site.invalidate("/a")
    assert site.get("/a").miss
