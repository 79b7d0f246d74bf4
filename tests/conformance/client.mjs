// Asks tests of the suite and writes what came of them as JSON.
// Usage: node client.mjs SUITE_FOLDER BASE_URL RESULTS_FILE quiet|dump [TEST_ID...]
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const LANES = 100 // as many tests at once as the suite's own command line
const TEST_S_MAX = 60 // the longest test waits twice 3 s

const [suite, baseUrl, resultsFile, mode, ...ids] = process.argv.slice(2)
const part = path => import(pathToFileURL(`${suite}/${path}`))
const config = await part('client/config.mjs')
const { makeCacheTest, testResults } = await part('client/test.mjs')
const groups = (await part('tests/index.mjs')).default

config.setFetch(createRequire(pathToFileURL(`${suite}/package.json`))('node-fetch'))
config.setBaseUrl(baseUrl)

const cases = groups.flatMap(group => group.tests
  .filter(test => test.browser_only !== true && (ids.length === 0 || ids.includes(test.id)))
  .map(test => ({ group: group.id, test: { ...test, dump: mode === 'dump' } })))

async function ask (test) {
  let timer
  const late = new Promise(resolve => { timer = setTimeout(resolve, TEST_S_MAX * 1000, true) })
  if (await Promise.race([makeCacheTest(test), late]) === true) {
    testResults[test.id] = ['Harness', `no end within ${TEST_S_MAX} s`]
  }
  clearTimeout(timer)
}

const queue = cases.map(({ test }) => test)
async function lane () {
  while (queue.length > 0) await ask(queue.shift())
}
await Promise.all(Array.from({ length: LANES }, lane))

const told = cases.map(({ group, test }) => ({
  id: test.id,
  group,
  name: test.name,
  kind: test.kind ?? 'required',
  depends_on: test.depends_on ?? [],
  result: testResults[test.id]
}))
fs.writeFileSync(resultsFile, JSON.stringify(told))
process.exit(0)
