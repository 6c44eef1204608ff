'use strict'
// The start file for the panel. Passenger and LiteSpeed load it with require(), which takes an ES module
// only from Node 20.19 and 22.12 on, and never one with a top-level await: import() takes them all.
import('./server.js').catch((error) => {
  console.error(error)
  process.exit(1)
})
