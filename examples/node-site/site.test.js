// A distribution tested from Node, without a library:
//
//   edgecache dev --load node-site=dist.json &
//   npm test
//
// EDGECACHE_CONTROL and EDGECACHE_EDGE say where it is, if that is not the usual place.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, beforeEach, test } from "node:test";

const control = process.env.EDGECACHE_CONTROL ?? "http://127.0.0.1:8090";
const edge = process.env.EDGECACHE_EDGE ?? "http://127.0.0.1:8080";

let asked = [];
const origin = createServer((incoming, response) => {
  asked.push(`${incoming.headers.host}${incoming.url}`);
  response.setHeader("Cache-Control", "max-age=3600");
  response.end(`page ${asked.length}`);
});

// fetch sends no Host of ours, so viewers' requests go by node:http.
const get = (path) =>
  new Promise((resolve, reject) => {
    const sent = request(edge + path, { headers: { host: "node-site.localhost" } }, (answer) => {
      let body = "";
      answer.on("data", (part) => (body += part));
      answer.on("end", () => resolve({ status: answer.statusCode, body, cache: answer.headers["x-cache"] }));
    });
    sent.on("error", reject).end();
  });

const ask = async (method, path, body) => {
  const answer = await fetch(`${control}/_edgecache/${path}`, { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, await answer.text());
};

before(() => new Promise((resolve) => origin.listen(0, "127.0.0.1", resolve)));
after(() => {
  origin.closeAllConnections();
  origin.close();
});
beforeEach(async () => {
  await ask("POST", "reset");
  await ask("PUT", "origin-map", {
    origin_map: { "app.example.com": `http://127.0.0.1:${origin.address().port}` },
  });
  asked = [];
});

test("the application is asked once, by its own name", async () => {
  assert.match((await get("/page")).cache, /^Miss/);
  const again = await get("/page");
  assert.match(again.cache, /^Hit/);
  assert.equal(again.body, "page 1");
  assert.deepEqual(asked, ["app.example.com/page"]);
});

test("an hour later it is asked again", async () => {
  await get("/page");
  await ask("POST", "clock", { advance_s: 3601 });
  assert.doesNotMatch((await get("/page")).cache, /^Hit/);
  assert.equal(asked.length, 2);
});
