'use strict'
const { existsSync } = require('node:fs')
const { join } = require('node:path')

// Where things lie, if `file-signal init` has written it down. What the panel sets comes first.
const settings = join(__dirname, '.env')
if (existsSync(settings)) process.loadEnvFile(settings)

// The start file for the panel. Passenger and LiteSpeed load it with require(), which takes an ES module
// only from Node 20.19 and 22.12 on, and never one with a top-level await: import() takes them all.
import('./server.js').catch((error) => {
  console.error(error)
  process.exit(1)
})
