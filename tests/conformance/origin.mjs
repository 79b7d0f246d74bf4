// The suite's own origin behind a loopback address. Usage: node origin.mjs SUITE_FOLDER PORT
import http from 'node:http'
import { pathToFileURL } from 'node:url'

const [suite, port] = process.argv.slice(2)
const part = async name => (await import(pathToFileURL(`${suite}/server/${name}.mjs`))).default
const answers = {
  config: await part('handle-config'),
  test: await part('handle-test'),
  state: await part('handle-state')
}

const server = http.createServer((request, response) => {
  const [kind, ...rest] = new URL(request.url, 'http://localhost/').pathname.split('/').slice(1)
  if (kind in answers) return answers[kind](rest, request, response)
  response.writeHead(404).end()
})
// Node's 5 s would have some requests meet a connection that is just closing: that is not caching.
server.keepAliveTimeout = 120_000
server.listen(Number(port), '127.0.0.1')
